//! The copy routines against a model of plain bytes.

use std::ptr::NonNull;

use bytemuck::Pod;
use proptest::prelude::*;

use super::{ElementPlace, extract, load, patch, store};
use crate::element::{self, Element, Unchecked};
use crate::guards::Scratch;
use crate::memory::payload::Payload;
use crate::sync::{AtomicU64, Ordering};

/// Bytes that differ from their neighbours and from the background.
fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed) | 1).collect()
}

fn words_of(bytes: &[u8]) -> Vec<AtomicU64> {
    let chunks = bytes.chunks_exact(8);
    chunks.map(|chunk| AtomicU64::new(u64::from_ne_bytes(chunk.try_into().unwrap()))).collect()
}

/// The first `len` bytes of `words`.
fn payload(words: &[AtomicU64], len: usize) -> Payload<'_> {
    Payload::of(words).start(len)
}

fn bytes_of(words: &[AtomicU64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect()
}

/// Memory that a copy of `len` bytes at `offset` works in, with room on both sides.
fn background(offset: usize, len: usize) -> Vec<u8> {
    (0..(offset + len).next_multiple_of(8) + 24).map(|i| (i as u8) << 1).collect()
}

fn check_store(len: usize) {
    let (from, mut expected) = (pattern(len, 3), background(0, len));
    let words = words_of(&expected);
    store(Payload::of(&words), &from);
    let mut found = bytes_of(&words);
    expected[..len].copy_from_slice(&from);
    // The rest of the last word it touches may become anything.
    let touched = len.next_multiple_of(8);
    found[len..touched].copy_from_slice(&expected[len..touched]);
    assert_eq!(found, expected, "store of {len}");
}

fn check_load(len: usize) {
    let memory = pattern(len.next_multiple_of(8) + 8, 7);
    let mut buffer = background(0, len);
    let mut expected = buffer.clone();
    expected[..len].copy_from_slice(&memory[..len]);
    load(Payload::of(&words_of(&memory)), &mut buffer[..len]);
    assert_eq!(buffer, expected, "load of {len}");
}

fn check_patch(offset: usize, len: usize) {
    let (from, mut expected) = (pattern(len, 5), background(offset, len));
    let words = words_of(&expected);
    patch(Payload::of(&words), offset, &from);
    expected[offset..offset + len].copy_from_slice(&from);
    assert_eq!(bytes_of(&words), expected, "patch of {len} at {offset}");
}

fn check_extract(offset: usize, len: usize) {
    let memory = pattern((offset + len).next_multiple_of(8), 9);
    let mut buffer = background(0, len);
    let mut expected = buffer.clone();
    expected[..len].copy_from_slice(&memory[offset..offset + len]);
    extract(Payload::of(&words_of(&memory)), offset, &mut buffer[..len]);
    assert_eq!(buffer, expected, "extract of {len} at {offset}");
}

/// Catches bytes that are lost, moved, or written beyond the end, at every length
/// on both sides of each switch between loops.
#[test]
fn store_and_load_are_exact_at_every_length() {
    for len in 0..=300 {
        check_store(len);
        check_load(len);
    }
}

/// Catches a neighbour byte that is changed, and a wrong split into lead, body and
/// trail.
#[test]
fn patch_changes_the_range_and_nothing_else() {
    for offset in 0..=16 {
        for len in 0..=300 {
            check_patch(offset, len);
        }
    }
}

/// Catches the same splits on the reading side, and reads beyond the last word.
#[test]
fn extract_reads_the_range_and_nothing_else() {
    for offset in 0..=16 {
        for len in 0..=300 {
            check_extract(offset, len);
        }
    }
}

/// Catches a copy that needs words to be there when there is nothing to copy.
#[test]
fn nothing_is_copied_from_or_to_nothing() {
    store(Payload::EMPTY, &[]);
    load(Payload::EMPTY, &mut []);
    patch(Payload::EMPTY, 0, &[]);
    extract(Payload::EMPTY, 0, &mut []);
}

/// Catches a copy that is right only where the private side is aligned.
#[test]
fn private_bytes_may_lie_at_any_address() {
    let source = pattern(600, 11);
    for shift in 0..16 {
        for len in [1, 7, 8, 15, 47, 48, 49, 63, 64, 65, 127, 128, 129, 300] {
            let words = words_of(&vec![0; 304]);
            store(Payload::of(&words), &source[shift..shift + len]);
            let mut buffer = vec![0; 400];
            load(Payload::of(&words), &mut buffer[shift..shift + len]);
            assert_eq!(buffer[shift..shift + len], source[shift..shift + len]);
            assert!(buffer[..shift].iter().chain(&buffer[shift + len..]).all(|&byte| byte == 0));
        }
    }
}

/// Where the elements from that one to the end of the data lie.
fn place_of<T>(data: Payload<'_>, first: usize) -> ElementPlace<'_> {
    let offset = first.saturating_mul(size_of::<T>()).min(data.len());
    // SAFETY: at most the length, so inside the data or one past its end; a multiple of the size.
    unsafe {
        let first = NonNull::new_unchecked(data.as_ptr()).add(offset);
        ElementPlace::packed(first, data.len() - offset)
    }
}

fn store_elements<T: Element>(data: Payload<'_>, first: usize, elements: &[T]) {
    place_of::<T>(data, first).store(size_of::<T>(), element::bytes_of(elements));
}

fn load_elements<T: Element>(data: Payload<'_>, first: usize, elements: &mut [Unchecked<T>]) {
    place_of::<T>(data, first).load(size_of::<T>(), Unchecked::bytes_mut(elements));
}

/// Elements at an offset among others of their type, stored and loaded.
fn check_elements<T: Element + Pod>(first: usize, count: usize) {
    let size = size_of::<T>();
    let (offset, len) = (first * size, count * size);
    let mut expected = background(offset, len);
    let words = words_of(&expected);
    let mut elements = vec![T::zeroed(); count];
    bytemuck::cast_slice_mut(&mut elements).copy_from_slice(&pattern(len, 13));
    store_elements(Payload::of(&words), first, &elements);
    expected[offset..offset + len].copy_from_slice(&pattern(len, 13));
    assert_eq!(bytes_of(&words), expected, "store of {count} of {size} bytes at {first}");

    // With neighbours, which a load must leave as they are.
    let mut loaded = vec![T::zeroed(); count + 2];
    bytemuck::cast_slice_mut(&mut loaded).copy_from_slice(&pattern(len + 2 * size, 17));
    load_elements(Payload::of(&words), first, Unchecked::of(&mut loaded[1..=count]).unwrap());
    let mut expected = pattern(len + 2 * size, 17);
    expected[size..size + len].copy_from_slice(&pattern(len, 13));
    let found: &[u8] = bytemuck::cast_slice(&loaded);
    assert_eq!(found, expected, "load of {count} of {size} bytes at {first}");
}

/// Up to where the block of machine code has copied several rounds.
fn check_each<T: Element + Pod>() {
    for first in 0..=17 {
        for count in (0..=220 / size_of::<T>()).chain([300 / size_of::<T>()]) {
            check_elements::<T>(first, count);
        }
    }
}

/// Catches elements that are lost, moved, torn apart between units of the wrong width, or
/// written over their neighbours: of each width, at each place in a word.
#[test]
fn elements_of_every_size_are_copied_exactly() {
    check_each::<u8>();
    check_each::<i16>();
    check_each::<[u8; 3]>();
    check_each::<f32>();
    check_each::<[u8; 5]>();
    check_each::<[u16; 3]>();
    check_each::<u64>();
    check_each::<[u16; 5]>();
    check_each::<[u32; 3]>();
    check_each::<u128>();
    check_each::<[u64; 3]>();
    check_each::<[u8; 40]>();
    check_each::<[u64; 5]>();
    check_each::<[u8; 47]>();
    check_each::<[u32; 12]>();
    check_each::<[u16; 25]>();
    check_each::<[u128; 4]>();
}

/// Catches a copy of no elements that looks at words: there may be none where they end.
#[test]
fn no_elements_are_copied_from_or_to_nothing() {
    let words = words_of(&[0; 8]);
    store_elements::<u64>(Payload::of(&words), 1, &[]);
    load_elements::<u64>(Payload::of(&words), 1, &mut []);
    store_elements::<u16>(Payload::of(&words), 4, &[]);
    load_elements::<u16>(Payload::of(&words), 4, &mut []);
    store_elements::<u8>(Payload::EMPTY, 0, &[]);
    load_elements::<u64>(Payload::EMPTY, 0, &mut []);
}

/// Puts messages of these lengths, those of one batch, and compares all of them.
fn check_batch(scratch: &mut Scratch, seed: u8, lens: &[usize]) {
    for (index, &len) in lens.iter().enumerate() {
        let memory = words_of(&pattern(len.next_multiple_of(8), seed + index as u8));
        let end = u64::from(seed) * 100 + index as u64;
        scratch.put(index, end, len, |to| load(payload(&memory, len), to));
        check_messages(scratch, seed, &lens[..=index]);
    }
}

fn check_messages(scratch: &Scratch, seed: u8, lens: &[usize]) {
    assert_eq!(scratch.messages(lens.len()).count(), lens.len());
    for (index, (message, &len)) in scratch.messages(lens.len()).zip(lens).enumerate() {
        let expected = pattern(len.next_multiple_of(8), seed + index as u8);
        assert_eq!((message.len(), message.is_empty()), (len, len == 0));
        assert_eq!(message.end_position(), u64::from(seed) * 100 + index as u64);
        assert_eq!(message.to_vec(), expected[..len], "message {index} of {lens:?}");
        for offset in [0, 1, len / 2, len.saturating_sub(1), len, len + 1] {
            let mut buffer = [0xEE; 7];
            let count = message.read_at(offset, &mut buffer);
            assert_eq!(count, len.saturating_sub(offset).min(7));
            assert_eq!(buffer[..count], expected[offset.min(len)..][..count]);
            assert!(buffer[count..].iter().all(|&byte| byte == 0xEE), "beyond the message");
        }
    }
}

/// Catches a message that a longer or shorter one before it moves, cuts or covers, and
/// messages of an earlier batch that a later one still has.
#[test]
fn a_batch_is_kept_as_it_was_copied() {
    let mut scratch = Scratch::default();
    check_messages(&scratch, 0, &[]);
    for (seed, lens) in
        [&[5, 0, 64, 1, 8, 0, 300, 7][..], &[0, 0, 0], &[1], &[400, 3, 3], &[0], &[9, 16, 17]]
            .into_iter()
            .enumerate()
    {
        // It starts over at index 0, where others took the messages, with others.
        check_batch(&mut scratch, 1 + 20 * seed as u8, lens);
    }
}

/// Catches a batch that starts over in its middle and keeps what it should forget, or
/// forgets what it should keep.
#[test]
fn a_message_replaces_the_one_of_its_index_and_those_behind_it() {
    for first in 0..4 {
        let mut scratch = Scratch::default();
        let mut lens = vec![12, 0, 40, 3];
        check_batch(&mut scratch, 1, &lens);
        lens.truncate(first);
        lens.push(29);
        let memory = words_of(&pattern(32, 1 + first as u8));
        let end = 100 + first as u64;
        scratch.put(first, end, 29, |to| load(payload(&memory, 29), to));
        check_messages(&scratch, 1, &lens);
    }
}

/// Runs `copy` and returns the message of its panic.
fn panic_of(copy: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(copy));
    let message = panic.expect_err("the copy went beyond the payload");
    message.downcast_ref::<&str>().map(|text| (*text).to_owned()).unwrap_or_default()
}

/// Catches a copy whose bounds are checked in debug builds only, or not at the last byte. The
/// words go on behind the payload, so that such a copy would succeed.
#[test]
fn no_copy_passes_the_end_of_its_payload() {
    let words = words_of(&[0; 128]);
    for len in [0, 1, 7, 8, 9, 31, 32, 64] {
        let (payload, mut bytes) = (payload(&words, len), vec![1; len + 1]);
        let beyond = "a copy beyond the payload";
        assert_eq!(panic_of(|| store(payload, &bytes)), beyond);
        assert_eq!(panic_of(|| load(payload, &mut bytes)), beyond);
        assert_eq!(panic_of(|| patch(payload, 1, &bytes[..len])), beyond);
        assert_eq!(panic_of(|| extract(payload, 1, &mut bytes[..len])), beyond);
        assert_eq!(panic_of(|| patch(payload, usize::MAX, &bytes)), beyond);
        assert_eq!(panic_of(|| extract(payload, usize::MAX, &mut bytes)), beyond);
    }
    assert!(bytes_of(&words).iter().all(|&byte| byte == 0));
}

/// Catches elements that are stored to or loaded from behind the data, made of words or not.
#[test]
fn no_elements_pass_the_end_of_the_data() {
    let words = words_of(&[0; 128]);
    let data = payload(&words, 16);
    for first in [2, 3, usize::MAX / 8, usize::MAX] {
        panic_of(|| store_elements::<u64>(data, first, &[1]));
        panic_of(|| load_elements(data, first, Unchecked::of(&mut [1_u64]).unwrap()));
    }
    for first in [15, 16, usize::MAX / 2, usize::MAX] {
        panic_of(|| store_elements::<[u8; 3]>(data, first, &[[1; 3]]));
        panic_of(|| load_elements(data, first, Unchecked::of(&mut [[1_u8; 3]]).unwrap()));
    }
    panic_of(|| store_elements::<u64>(data, 1, &[1, 1]));
    panic_of(|| store_elements::<[u8; 3]>(data, 5, &[[1; 3], [1; 3]]));
    assert!(bytes_of(&words).iter().all(|&byte| byte == 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// Catches what only shows in longer copies.
    #[test]
    fn long_copies_are_exact(len in 300_usize..20_000, offset in 0_usize..200) {
        check_store(len);
        check_load(len);
        check_patch(offset, len);
        check_extract(offset, len);
    }
}
