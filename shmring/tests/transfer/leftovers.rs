//! What earlier messages left in the ring is never sent again by safe code.

use std::io::{self, ErrorKind, Write};

use shmring::{Config, Kind, Reservation};

use crate::common::{Name, SLOT_KINDS, broadcast, slots};
use crate::packed::ring;
use crate::ways;

const SECRET: &[u8] = b"secret password.";
const MOST: usize = 240;

/// Rings in which a message of `MOST` bytes fits.
fn configs() -> Vec<(String, Config)> {
    let of_slots = |kind: Kind| (kind.to_string(), slots(kind, 4, 256));
    let mut configs = SLOT_KINDS.map(of_slots).to_vec();
    for align in [8, 64] {
        let config = Config::spsc().capacity_bytes(4096).payload_align(align);
        configs.push((format!("records at {align}"), config));
        configs.push((format!("broadcast at {align}"), broadcast().payload_align(align)));
    }
    configs
}

/// Writes into a reservation, and what has to arrive.
type Step = (&'static str, fn(&mut Reservation<'_>), Vec<u8>);

fn steps() -> Vec<Step> {
    vec![
        ("nothing", |_| (), vec![]),
        ("no bytes", |space| space.write_at(MOST, &[]), vec![]),
        ("a part", |space| space.write_at(0, b"abc"), b"abc".to_vec()),
        ("a part by words", |space| space.write_at(0, &[7; 16]), vec![7; 16]),
        (
            "a part over another",
            |space| {
                space.write_at(0, &[9; 20]);
                space.write_at(8, b"abc");
            },
            [&[9; 8][..], b"abc", &[9; 9]].concat(),
        ),
        ("an append", |space| write!(space, "{:>9}|", 12).unwrap(), b"       12|".to_vec()),
        (
            "a gap",
            |space| {
                space.write_at(0, b"abc");
                space.write_at(13, b"xyz");
            },
            b"abc\0\0\0\0\0\0\0\0\0\0xyz".to_vec(),
        ),
        ("the last byte", |space| space.write_at(MOST - 1, b"z"), {
            let mut all = vec![0; MOST];
            all[MOST - 1] = b'z';
            all
        }),
        (
            "a gap that is filled",
            |space| {
                space.write_at(8, b"xyz");
                space.write_at(0, b"abc");
            },
            b"abc\0\0\0\0\0xyz".to_vec(),
        ),
        (
            "an append behind a gap, and over it",
            |space| {
                space.write_at(21, b"x");
                space.write_all(b"yz").unwrap();
                space.write_at(4, &[1; 10]);
            },
            [&[0; 4][..], &[1; 10], &[0; 7], b"xyz"].concat(),
        ),
        #[cfg(feature = "bytes")]
        (
            "numbers by `BufMut`",
            |space| {
                use bytes::BufMut;
                space.put_u8(1);
                space.put_u32(0x0203_0405);
                space.put_bytes(9, 70);
                space.put(&b"end"[..]);
                assert_eq!(space.remaining_mut(), MOST - 78);
            },
            [&[1, 2, 3, 4, 5][..], &[9; 70], b"end"].concat(),
        ),
        #[cfg(feature = "bytes")]
        (
            "chunks of `BufMut`",
            |space| {
                use bytes::BufMut;
                space.put_slice(b"ab");
                space.chunk_mut()[..5].copy_from_slice(b"cdefg");
                // SAFETY: five bytes of the chunk were written.
                unsafe {
                    space.advance_mut(2);
                    space.advance_mut(3);
                }
                assert_eq!(space.chunk_mut().len(), MOST - 7);
            },
            b"abcdefg".to_vec(),
        ),
    ]
}

/// Catches a commit that publishes bytes of earlier messages: of all that was reserved, of a
/// gap, or of the word that a write ends in.
#[test]
fn a_reservation_never_sends_bytes_of_earlier_messages() {
    for (what, config) in configs() {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&config);
        let secret = SECRET.repeat(MOST / SECRET.len());
        let ways_out = if rx
            .try_peek()
            .is_err_and(|error| matches!(error, shmring::TryRecvError::NotExclusive))
        {
            ways::OUT_BY_COPY
        } else {
            ways::OUT
        };
        for round in 0..ways_out {
            for (step, write, expected) in steps() {
                // Each place in the ring holds secrets, some of them shifted.
                for _ in 0..16 {
                    tx.send(&secret).unwrap();
                    assert_eq!(rx.recv().unwrap(), secret);
                }
                let mut space = tx.reserve(MOST).unwrap();
                write(&mut space);
                assert_eq!(space.written(), expected.len(), "{what}: {step}");
                space.commit();
                assert_eq!(ways::receive(round, &mut rx), expected, "{what}: {step}");
                tx.send(&secret[..round + 1]).unwrap();
                rx.recv().unwrap();
            }
        }
    }
}

/// Catches an append that goes beyond the reservation, or fails where some of it fits.
#[test]
fn appends_end_with_the_reservation() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    let mut space = tx.reserve(10).unwrap();
    let mut append = |bytes: &[u8]| -> io::Result<usize> { space.write(bytes) };
    assert_eq!(append(b"0123456").unwrap(), 7);
    assert_eq!(append(b"").unwrap(), 0);
    assert_eq!(append(b"789abc").unwrap(), 3);
    assert_eq!(append(b"d").unwrap(), 0);
    assert_eq!(space.write_all(b"d").unwrap_err().kind(), ErrorKind::WriteZero);
    space.flush().unwrap();
    assert_eq!((space.written(), space.capacity()), (10, 10));
    space.commit();
    assert_eq!(rx.recv().unwrap(), b"0123456789");
}

/// Catches bytes that were written through the pointer and are not sent, and a mark that
/// goes back.
#[test]
fn bytes_assumed_to_be_written_are_sent() {
    for (what, config) in configs() {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&config);
        let mut space = tx.reserve(MOST).unwrap();
        let start = space.as_mut_ptr().unwrap();
        // SAFETY: the reservation is valid for so many bytes, all of which are written.
        unsafe {
            start.write_bytes(0xA5, 100);
            space.assume_written(100);
            space.assume_written(7);
        }
        assert_eq!(space.written(), 100);
        write!(space, "behind").unwrap();
        space.commit();
        assert_eq!(rx.recv().unwrap(), [&[0xA5; 100][..], b"behind"].concat(), "{what}");
    }
}

/// Catches a commit that publishes elements of earlier laps.
#[test]
fn space_never_sends_elements_of_earlier_laps() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = ring::<u64>(&name, 8);
    for written in (0..=8).cycle().take(100) {
        tx.send_slice(&[0x5EC2E7; 8]).unwrap();
        assert_eq!(rx.recv_slice(&mut [0; 8]), Ok(8));
        let mut space = tx.reserve(8).unwrap();
        (0..written).for_each(|number| space.push(number));
        space.commit();
        let mut all = [u64::MAX; 9];
        let count = rx.try_recv_slice(&mut all).unwrap_or(0);
        assert_eq!(all[..count], (0..written).collect::<Vec<_>>());
        // Another place to begin with.
        tx.send(&1).unwrap();
        rx.recv().unwrap();
    }
}
