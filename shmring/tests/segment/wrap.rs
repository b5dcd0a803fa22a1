//! Positions that cross 2^64, through the public verbs.

use shmring::{Config, Fault, JoinError, RecvError, Segment, SendError};

use crate::common::{Name, payload};

/// Where the words lie in the file, with the default tables.
const TAIL_HINT: u64 = 28_416;
const HEAD: u64 = 28_544;
const DATA: u64 = 32_768;

/// Catches a comparison of positions that is right only before they wrap: a ring that
/// is stuck, full or empty for ever, after 2^64 bytes.
#[test]
fn messages_cross_the_end_of_the_numbers() {
    for words in [1, 2, 3, 17, 255, 511] {
        let name = Name::new();
        let segment = name.create(&Config::spsc().capacity_bytes(4096));
        let start = 0_u64.wrapping_sub(8 * words);
        name.poke(HEAD, start);
        name.poke(TAIL_HINT, start);
        let (mut producer, mut consumer) =
            (segment.producer().unwrap(), segment.consumer().unwrap());
        let (mut sent, mut received, mut last) = (0_u64, 0, start);
        while received < 2000 {
            let len = (sent * 37 % 700) as usize;
            if sent < 2000 && producer.try_send(&payload(sent, len)).is_ok() {
                sent += 1;
                continue;
            }
            let used = segment.status().unwrap().ring().used_bytes;
            assert!((1..=4096).contains(&used), "{used} bytes used");
            for _ in 0..1 + received % 3 {
                let Ok(peek) = consumer.try_peek() else {
                    break;
                };
                let len = (received * 37 % 700) as usize;
                assert_eq!(peek.to_vec(), payload(received, len));
                let position = peek.end_position();
                assert!((8..4096).contains(&position.wrapping_sub(last)), "{position:#x}");
                last = position;
                peek.release();
                received += 1;
            }
        }
        assert_eq!(segment.status().unwrap().ring().used_bytes, 0);
    }
}

/// Catches a value in the segment that ends in a panic, or a handle that goes on with a
/// ring that it found corrupt.
#[test]
fn a_corrupt_ring_fails_every_later_verb() {
    let name = Name::new();
    let (segment, mut producer, mut consumer) = name.pair(4096);
    producer.send(b"good").unwrap();
    name.poke(DATA, 0xDEAD_BEEF_DEAD_BEEF);
    let failed = consumer.recv().unwrap_err();
    let RecvError::Failed(Fault::Corrupt(corrupt)) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!((corrupt.position, corrupt.found), (0, 0xDEAD_BEEF_DEAD_BEEF));
    assert!(failed.to_string().contains("corrupt"), "{failed}");
    // Even when the word is put right again.
    name.poke(DATA, 0);
    assert_eq!(consumer.recv().unwrap_err(), failed);
    assert_eq!(consumer.peek().map(|_| ()).unwrap_err(), failed);
    assert_eq!(consumer.recv_batch(9, |_| ()).unwrap_err(), failed);
    assert!(consumer.lookahead().unwrap().next().is_none());

    name.poke(HEAD, 4096);
    while producer.try_send(&[0; 900]).is_ok() {}
    let failed = producer.try_send(&[0; 900]).unwrap_err();
    assert!(matches!(failed, shmring::TrySendError::Failed(Fault::Corrupt(_))), "{failed:?}");
    let blocked = producer.send(b"x").unwrap_err();
    assert!(matches!(blocked, SendError::Failed(Fault::Corrupt(_))), "{blocked:?}");
    drop((producer, consumer));

    name.poke(HEAD, 3);
    for join in [segment.producer().err(), segment.consumer().err()] {
        assert!(matches!(join, Some(JoinError::Failed(Fault::Corrupt(_)))), "{join:?}");
    }
    // The refused handle gave its role back.
    name.poke(HEAD, 0);
    assert!(segment.producer().is_ok() && Segment::attach(&name).unwrap().consumer().is_ok());
}
