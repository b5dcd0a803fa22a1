//! What each verb does, in runtimes of one thread and of several.

use std::io::IoSlice;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use shmring::{
    AsyncConsumer, AsyncProducer, Config, DrainError, Eof, Fault, RecvError, RecvIntoError,
    Segment, SendError, values,
};
use tokio::time::timeout;

use crate::common::{LONG, SHORT, watchdog};
use crate::stage::{Rx, Wakes, both_runtimes, configs, current, mpmc, poll, ring, rx, tx};

/// Catches a message that is lost, comes twice or out of order, and an end that does not come:
/// on every kind of ring, far longer than it, so that both sides wait.
#[test]
fn numbers_come_in_order_until_the_end() {
    let _watchdog = watchdog("numbers_come_in_order_until_the_end");
    for runtime in both_runtimes() {
        for config in configs() {
            let (_segment, mut tx, mut rx) = ring(&config);
            runtime.block_on(async {
                let sender = tokio::spawn(async move {
                    for number in 0..2000 {
                        tx.send(number).await.unwrap();
                    }
                });
                let receiver = tokio::spawn(async move {
                    for number in 0..1000 {
                        assert_eq!(rx.recv().await, Ok(number));
                    }
                    for number in 1000..2000 {
                        assert_eq!(rx.next().await, Some(Ok(number)));
                    }
                    assert_eq!(rx.recv().await, Err(RecvError::Eof));
                    assert_eq!(rx.next().await, None);
                });
                sender.await.unwrap();
                receiver.await.unwrap();
            });
        }
    }
}

/// Catches a verb of bytes that does something else than its form that blocks.
#[test]
fn every_verb_of_bytes_moves_messages() {
    let _watchdog = watchdog("every_verb_of_bytes_moves_messages");
    let segment = Segment::create_sealed("bytes", &Config::spsc().capacity_bytes(4096)).unwrap();
    let mut tx = segment.producer().unwrap().into_async().unwrap();
    let mut rx = segment.consumer().unwrap().into_async().unwrap();
    let sends = async |tx: &mut AsyncProducer| {
        tx.send(b"one").await.unwrap();
        tx.send_vectored(&[IoSlice::new(b"tw"), IoSlice::new(b"o")]).await.unwrap();
        tx.send_batch(&["three", "four", "five"]).await.unwrap();
        tx.writable(2000).await.unwrap();
        let mut space = tx.get_mut().try_reserve(2000).unwrap();
        space.write_at(0, b"six");
        space.commit();
        let max = tx.get_ref().max_message_bytes();
        let too_long = SendError::TooLong { len: max + 1, max };
        assert_eq!(tx.send(&vec![0; max + 1]).await, Err(too_long));
        assert_eq!(tx.writable(max + 1).await, Err(too_long));
    };
    let receives = async |rx: &mut AsyncConsumer| {
        let (mut buffer, mut vec) = ([0; 3], b"old".to_vec());
        assert_eq!(rx.recv().await.unwrap(), b"one");
        let small = rx.recv_into(&mut buffer[..2]).await;
        assert_eq!(small, Err(RecvIntoError::TooSmall { len: 3 }));
        assert_eq!((rx.recv_into(&mut buffer).await, &buffer), (Ok(3), b"two"));
        assert_eq!((rx.recv_into_vec(&mut vec).await, &*vec), (Ok(5), &b"three"[..]));
        let mut got = Vec::new();
        while got.len() < 2 {
            let count = rx.recv_batch(2 - got.len(), |message| got.push(message.to_vec()));
            assert!((1..=2).contains(&count.await.unwrap()));
        }
        assert_eq!(got, [&b"four"[..], b"five"]);
        rx.readable().await.unwrap();
        let peek = rx.get_mut().try_peek().unwrap();
        assert_eq!(peek.to_vec(), b"six");
        peek.release();
    };
    // Each side first: what is there already, and what is waited for.
    for receiver_first in [false, true] {
        current().block_on(async {
            if receiver_first {
                tokio::join!(receives(&mut rx), sends(&mut tx));
            } else {
                tokio::join!(sends(&mut tx), receives(&mut rx));
            }
        });
    }
    drop(tx.into_inner());
    current().block_on(async {
        assert_eq!(rx.readable().await, Err(RecvError::Eof));
        assert_eq!(rx.recv_into(&mut []).await, Err(RecvIntoError::Recv(RecvError::Eof)));
        assert_eq!(rx.into_inner().recv(), Err(RecvError::Eof));
    });
}

/// Catches a verb of values that does something else than its form that blocks.
#[test]
fn every_verb_of_values_moves_values() {
    let _watchdog = watchdog("every_verb_of_values_moves_values");
    for config in [Config::packed::<u32>().slots(8), Config::mpsc().slots(8).values::<u32>()] {
        let segment = Segment::create_sealed("values", &config).unwrap();
        let mut tx = segment.value_producer::<u32>().unwrap().into_async().unwrap();
        let mut rx = segment.value_consumer::<u32>().unwrap().into_async().unwrap();
        let sends = async |tx: &mut values::AsyncProducer<u32>| {
            tx.send(&1).await.unwrap();
            tx.send_slice(&[2, 3, 4, 5]).await.unwrap();
            tx.writable().await.unwrap();
            let mut space = tx.get_mut().try_reserve(1).unwrap();
            space.push(6);
            space.commit();
        };
        let receives = async |rx: &mut values::AsyncConsumer<u32>| {
            assert_eq!(rx.recv().await, Ok(1));
            let (mut got, mut buffer) = (Vec::<u32>::new(), [0; 3]);
            while got.len() < 4 {
                let most = buffer.len().min(4 - got.len());
                let count = rx.recv_slice(&mut buffer[..most]).await.unwrap();
                got.extend(&buffer[..count]);
            }
            assert_eq!(got, [2, 3, 4, 5]);
            rx.readable().await.unwrap();
            let values = rx.get_mut().try_peek(1).unwrap();
            assert_eq!(values.get(0).unwrap(), Some(6));
            values.release();
        };
        for _ in 0..5 {
            current().block_on(async { tokio::join!(receives(&mut rx), sends(&mut tx)) });
            current().block_on(async { tokio::join!(sends(&mut tx), receives(&mut rx)) });
        }
    }
}

/// Catches a send that does not wait for room, and one that room does not wake.
#[test]
fn a_full_ring_holds_senders_back() {
    let _watchdog = watchdog("a_full_ring_holds_senders_back");
    for config in configs() {
        let (_segment, mut tx, mut rx) = ring(&config);
        let count = tx.fill();
        current().block_on(async {
            assert!(timeout(SHORT, tx.send(count)).await.is_err());
            let send = async {
                timeout(LONG, tx.send(count)).await.unwrap().unwrap();
            };
            let take = async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                for number in 0..=count {
                    assert_eq!(rx.recv().await, Ok(number));
                }
            };
            tokio::join!(send, take);
            assert!(timeout(SHORT, rx.recv()).await.is_err());
        });
    }
}

/// Catches an end that is taken for another one, and a stream that does not go on after it.
#[test]
fn the_end_is_that_of_the_handle() {
    let _watchdog = watchdog("the_end_is_that_of_the_handle");
    for config in configs() {
        let (segment, mut first, mut rx) = ring(&config);
        current().block_on(async {
            first.send(1).await.unwrap();
            drop(first);
            assert_eq!(rx.next().await, Some(Ok(1)));
            assert_eq!(rx.next().await, None);
            let mut next = tx(&segment);
            next.send(2).await.unwrap();
            assert_eq!(rx.next().await, Some(Ok(2)));
            match &mut rx {
                Rx::Bytes(rx) => rx.get_mut().set_eof(Eof::NextProducer),
                Rx::Values(rx) => rx.get_mut().set_eof(Eof::NextProducer),
            }
            drop(next);
            assert!(timeout(SHORT, rx.recv()).await.is_err());
            let mut last = tx(&segment);
            last.send(3).await.unwrap();
            assert_eq!(rx.recv().await, Ok(3));
            assert!(timeout(SHORT, rx.recv()).await.is_err());
            segment.close();
            assert_eq!(rx.recv().await, Err(RecvError::Eof));
            assert_eq!(last.send(4).await, Err(SendError::Closed));
        });
    }
}

/// Catches a sender that waits for consumers that have gone.
#[test]
fn a_sender_without_consumers_gets_a_broken_pipe() {
    let _watchdog = watchdog("a_sender_without_consumers_gets_a_broken_pipe");
    for config in configs() {
        let (_segment, mut tx, rx) = ring(&config);
        let count = tx.fill();
        current().block_on(async {
            let leave = async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                drop(rx);
            };
            let (sent, ()) = tokio::join!(tx.send(count), leave);
            assert_eq!(sent, Err(SendError::BrokenPipe));
            assert_eq!(tx.send(count).await, Err(SendError::BrokenPipe));
        });
    }
}

/// Catches a drain that returns before the last message was received, not at all, or in place of
/// an error; and one that leaves the ring open.
#[test]
fn a_drain_ends_with_the_last_message() {
    let _watchdog = watchdog("a_drain_ends_with_the_last_message");
    for config in [Config::spsc().capacity_bytes(4096), mpmc()] {
        let bytes = || {
            let segment = Segment::create_sealed("drain", &config).unwrap();
            let tx = segment.producer().unwrap().into_async().unwrap();
            let rx = segment.consumer().unwrap().into_async().unwrap();
            (segment, tx, rx)
        };
        current().block_on(async {
            let (segment, mut tx, mut rx) = bytes();
            for _ in 0..3 {
                tx.send(b"job").await.unwrap();
            }
            let draining = tokio::spawn(tx.close_and_drain());
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                assert!(!draining.is_finished());
                rx.recv().await.unwrap();
            }
            assert_eq!(timeout(LONG, draining).await.unwrap().unwrap(), Ok(()));
            assert_eq!(rx.recv().await, Err(RecvError::Eof));
            assert!(segment.producer().is_err(), "it is closed");

            let (_segment, mut tx, rx) = bytes();
            tx.send(b"job").await.unwrap();
            let leave = async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                drop(rx);
            };
            let (drained, ()) = tokio::join!(tx.close_and_drain(), leave);
            assert_eq!(drained, Err(DrainError::BrokenPipe { unreceived: 1 }));

            let (segment, mut tx, mut rx) = bytes();
            tx.send(b"job").await.unwrap();
            {
                let (wakes, waker) = Wakes::new();
                assert!(poll(pin!(tx.close_and_drain()), &waker).is_pending());
                tokio::time::sleep(SHORT).await;
                assert_eq!(wakes.count(), 0, "nothing was received");
            }
            assert!(segment.producer().is_err(), "it is closed");
            assert_eq!(rx.recv().await.unwrap(), b"job");
            assert_eq!(rx.recv().await, Err(RecvError::Eof));

            let (_segment, tx, _rx) = bytes();
            assert_eq!(tx.close_and_drain().await, Ok(()), "nothing to receive");
        });
    }
}

/// Catches a drain of values that waits for something else.
#[test]
fn values_are_drained() {
    let _watchdog = watchdog("values_are_drained");
    for config in [Config::packed::<u8>().slots(8), Config::mpmc().slots(8).values::<u8>()] {
        let segment = Segment::create_sealed("drain", &config).unwrap();
        let mut tx = segment.value_producer::<u8>().unwrap().into_async().unwrap();
        let mut rx = segment.value_consumer::<u8>().unwrap();
        current().block_on(async {
            tx.send_slice(&[1, 2]).await.unwrap();
            let draining = tokio::spawn(tx.close_and_drain());
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(rx.try_recv(), Ok(1));
            assert!(!draining.is_finished());
            assert_eq!(rx.try_recv(), Ok(2));
            assert_eq!(draining.await.unwrap(), Ok(()));
        });
    }
}

/// Catches futures that cannot move between threads.
#[test]
fn futures_are_send() {
    fn is_send<T: Send>(_: &T) {}
    let segment = Segment::create_sealed("send", &mpmc()).unwrap();
    let (mut tx, mut rx) = (tx(&segment), rx(&segment));
    is_send(&tx.send(1));
    is_send(&rx.recv());
    let mut tx = segment.producer().unwrap().into_async().unwrap();
    let mut rx = segment.consumer().unwrap().into_async().unwrap();
    is_send(&tx.send_batch(&["one"]));
    is_send(&rx.recv_batch(1, |_| ()));
    is_send(&tx.close_and_drain());
}

/// Catches damage that a task does not see, or sees for ever.
#[test]
fn a_failed_handle_ends_its_stream() {
    let _watchdog = watchdog("a_failed_handle_ends_its_stream");
    let name = crate::common::Name::new();
    let config = Config::spsc().capacity_bytes(4096);
    let segment = name.create(&config);
    let mut tx = segment.producer().unwrap();
    let mut rx = segment.consumer().unwrap().into_async().unwrap();
    tx.send(b"one").unwrap();
    let image = std::fs::read(name.path()).unwrap();
    let header = image.windows(11).position(|bytes| bytes[8..] == *b"one").unwrap();
    name.poke(header as u64, u64::MAX);
    current().block_on(async {
        let failed = rx.next().await;
        assert!(matches!(failed, Some(Err(RecvError::Failed(Fault::Corrupt(_))))), "{failed:?}");
        assert!(rx.next().await.is_none());
        assert!(matches!(rx.recv().await, Err(RecvError::Failed(Fault::Corrupt(_)))));
    });
}
