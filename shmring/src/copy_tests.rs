//! The copy routines against a model of plain bytes.

use proptest::prelude::*;

use super::{extract, load, patch, store};
use crate::sync::{AtomicU64, Ordering};

/// Bytes that differ from their neighbours and from the background.
fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed) | 1).collect()
}

fn words_of(bytes: &[u8]) -> Vec<AtomicU64> {
    let chunks = bytes.chunks_exact(8);
    chunks.map(|chunk| AtomicU64::new(u64::from_ne_bytes(chunk.try_into().unwrap()))).collect()
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
    store(&words, &from);
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
    load(&words_of(&memory), &mut buffer[..len]);
    assert_eq!(buffer, expected, "load of {len}");
}

fn check_patch(offset: usize, len: usize) {
    let (from, mut expected) = (pattern(len, 5), background(offset, len));
    let words = words_of(&expected);
    patch(&words, offset, &from);
    expected[offset..offset + len].copy_from_slice(&from);
    assert_eq!(bytes_of(&words), expected, "patch of {len} at {offset}");
}

fn check_extract(offset: usize, len: usize) {
    let memory = pattern((offset + len).next_multiple_of(8), 9);
    let mut buffer = background(0, len);
    let mut expected = buffer.clone();
    expected[..len].copy_from_slice(&memory[offset..offset + len]);
    extract(&words_of(&memory), offset, &mut buffer[..len]);
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
    store(&[], &[]);
    load(&[], &mut []);
    patch(&[], 0, &[]);
    extract(&[], 0, &mut []);
}

/// Catches a copy that is right only where the private side is aligned.
#[test]
fn private_bytes_may_lie_at_any_address() {
    let source = pattern(600, 11);
    for shift in 0..16 {
        for len in [1, 7, 8, 15, 47, 48, 49, 63, 64, 65, 127, 128, 129, 300] {
            let words = words_of(&vec![0; 304]);
            store(&words, &source[shift..shift + len]);
            let mut buffer = vec![0; 400];
            load(&words, &mut buffer[shift..shift + len]);
            assert_eq!(buffer[shift..shift + len], source[shift..shift + len]);
            assert!(buffer[..shift].iter().chain(&buffer[shift + len..]).all(|&byte| byte == 0));
        }
    }
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
