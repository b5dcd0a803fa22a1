//! Producers as sinks, and a consumer that is forwarded to one.

use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::{Sink, SinkExt, StreamExt, TryStreamExt};
use shmring::{AsyncConsumer, AsyncProducer, Config, RecvError, Segment, SendError, TryRecvError};
use tokio::time::timeout;

use crate::common::{LONG, SHORT, watchdog};
use crate::stage::{Wakes, configs, current, poll};

fn bytes(config: &Config) -> (Segment, AsyncProducer, AsyncConsumer) {
    let segment = Segment::create_sealed("sink", config).unwrap();
    let tx = segment.producer().unwrap().into_async().unwrap();
    let rx = segment.consumer().unwrap().into_async().unwrap();
    (segment, tx, rx)
}

fn of_bytes() -> impl Iterator<Item = Config> {
    configs().into_iter().take(4)
}

/// Catches a sink that loses, doubles or reorders what it holds when the ring is full.
#[test]
fn a_stream_is_forwarded_through_full_rings() {
    let _watchdog = watchdog("a_stream_is_forwarded_through_full_rings");
    for config in of_bytes() {
        let ((_one, mut first, source), (_other, sink, mut last)) =
            (bytes(&config), bytes(&config));
        current().block_on(async {
            let send = tokio::spawn(async move {
                for number in 0..500_u64 {
                    first.send(&number.to_ne_bytes()).await.unwrap();
                }
            });
            let source = source.map_err(|error| panic!("{error}"));
            let forward = tokio::spawn(source.forward(sink));
            for number in 0..500_u64 {
                assert_eq!(last.recv().await.unwrap(), number.to_ne_bytes());
            }
            send.await.unwrap();
            assert_eq!(forward.await.unwrap(), Ok(()));
            assert_eq!(last.recv().await, Err(RecvError::Eof), "the sink was dropped");
        });
    }
}

/// Catches a sink that accepts a second message while it holds one, or that sends another before it.
#[test]
fn a_held_message_is_sent_first() {
    let _watchdog = watchdog("a_held_message_is_sent_first");
    for config in of_bytes() {
        let (_segment, mut tx, mut rx) = bytes(&config);
        let mut sent = 0_u64;
        while tx.get_mut().try_send(&sent.to_ne_bytes()).is_ok() {
            sent += 1;
        }
        current().block_on(async {
            tx.feed(sent.to_ne_bytes().to_vec()).await.unwrap();
            assert!(timeout(SHORT, tx.feed(Vec::new())).await.is_err());
            assert!(timeout(SHORT, SinkExt::flush(&mut tx)).await.is_err());
            let send = async {
                timeout(LONG, tx.send(&(sent + 1).to_ne_bytes())).await.unwrap().unwrap();
                timeout(LONG, SinkExt::close(&mut tx)).await.unwrap().unwrap();
            };
            let receive = async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                for number in 0..=sent + 1 {
                    assert_eq!(rx.recv().await.unwrap(), number.to_ne_bytes());
                }
            };
            tokio::join!(send, receive);
            assert_eq!(
                rx.get_mut().try_recv(),
                Err(TryRecvError::Empty),
                "the sink is not the end"
            );
            tx.feed(b"kept".to_vec()).await.unwrap();
            tx.into_inner().send(b"next").unwrap();
            assert_eq!(rx.recv().await.unwrap(), b"kept", "there was room");
            assert_eq!(rx.recv().await.unwrap(), b"next");
        });
    }
}

/// Catches a future of a sink that was dropped and sent its message, or a flush that is not woken.
#[test]
fn a_flush_that_is_dropped_is_made_up_for() {
    let _watchdog = watchdog("a_flush_that_is_dropped_is_made_up_for");
    let config = Config::packed::<u64>().slots(2);
    let segment = Segment::create_sealed("sink", &config).unwrap();
    let mut tx = segment.value_producer::<u64>().unwrap().into_async().unwrap();
    let mut rx = segment.value_consumer::<u64>().unwrap();
    current().block_on(async {
        for number in 0..3 {
            tx.feed(number).await.unwrap();
        }
        let (wakes, waker) = Wakes::new();
        assert!(poll(pin!(SinkExt::flush(&mut tx)), &waker).is_pending());
        assert_eq!(rx.try_recv(), Ok(0));
        crate::common::eventually("a wake", || (wakes.count() == 1).then_some(()));
        assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Err(TryRecvError::Empty)));
        assert!(poll(pin!(tx.send(&3)), &waker).is_ready());
        assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(2), Ok(3)));
    });
}

/// Catches an error that a sink keeps to itself, or returns for ever.
#[test]
fn a_sink_returns_its_errors_once() {
    let _watchdog = watchdog("a_sink_returns_its_errors_once");
    let (_segment, mut tx, rx) = bytes(&Config::spsc().capacity_bytes(4096));
    let max = tx.get_ref().max_message_bytes();
    current().block_on(async {
        let too_long = SendError::TooLong { len: max + 1, max };
        assert_eq!(tx.feed(vec![0; max + 1]).await, Err(too_long));
        assert_eq!(SinkExt::flush(&mut tx).await, Ok(()), "it is not held");
        while tx.get_mut().try_send(&[0; 100]).is_ok() {}
        tx.feed(vec![0; 100]).await.unwrap();
        drop(rx);
        assert_eq!(SinkExt::flush(&mut tx).await, Err(SendError::BrokenPipe));
        assert_eq!(SinkExt::flush(&mut tx).await, Ok(()), "it is not held any more");
        assert_eq!(tx.feed(vec![0]).await, Err(SendError::BrokenPipe));
    });
}

/// Catches a message that replaces the one that is held.
#[test]
#[should_panic(expected = "start_send without a poll_ready")]
fn a_message_without_poll_ready_panics() {
    let (_segment, mut tx, _rx) = bytes(&Config::spsc().capacity_bytes(4096));
    while tx.get_mut().try_send(&[0; 100]).is_ok() {}
    for _ in 0..2 {
        Pin::new(&mut tx).start_send(vec![0; 100]).unwrap();
    }
}
