//! Every verb of every handle, in an order that a seed chooses.

use std::time::Duration;

use shmring::{
    Collector, Consumer, Element, Job, JoinError, Observer, Producer, Segment, Start, Subscribe,
    WaitMode, WaitSet, Worker,
};

use crate::random::Random;

/// A wait that a hostile segment must not make longer.
const WAIT: Duration = Duration::from_micros(200);
const MODES: [WaitMode; 3] = [WaitMode::Spin, WaitMode::Adaptive, WaitMode::Block];

/// Looks at the segment of that name, attaches, joins whatever it can, and does `verbs`
/// things with each handle. Any result will do.
pub(crate) fn all(name: &str, random: &mut Random, verbs: usize) {
    if let Ok(observer) = Observer::open(name) {
        look(&observer, random);
    }
    let _ = Collector::new().dry_run(true).collect(name);
    let Ok(segment) = Segment::attach(name) else {
        return;
    };
    let _ = segment.status();
    let (mut producer, mut consumer) = (segment.producer(), join(&segment, random));
    let mode = MODES[random.below(3)];
    if let Ok(producer) = &mut producer {
        producer.set_wait_mode(mode);
    }
    if let Ok(consumer) = &mut consumer {
        consumer.set_wait_mode(mode);
    }
    if let (Ok(producer), Ok(consumer)) = (&mut producer, &mut consumer)
        && random.below(4) == 0
    {
        wait(producer, consumer, random, verbs);
    }
    for _ in 0..verbs {
        if let Ok(producer) = &mut producer {
            send(producer, random);
        }
        if let Ok(consumer) = &mut consumer {
            receive(consumer, random);
        }
        if random.below(16) == 0 {
            evict(&segment);
        }
    }
    if random.below(4) == 0
        && let Ok(producer) = producer
    {
        producer.close();
    }
    drop(consumer);
    if let Ok(mut worker) = segment.worker() {
        worker.set_wait_mode(mode);
        work(&worker, random, verbs);
    }
    values::<u64>(&segment, random, verbs);
    values::<[u8; 3]>(&segment, random, verbs);
    values::<[bool; 3]>(&segment, random, verbs);
    let _ = segment.status();
    if random.below(4) == 0 {
        segment.close();
    }
}

/// Joins as a consumer: of a broadcast ring in any way.
fn join(segment: &Segment, random: &mut Random) -> Result<Consumer, JoinError> {
    let joined = segment.subscribe(how(random));
    if let Err(JoinError::WrongKind { .. }) = joined { segment.consumer() } else { joined }
}

fn how(random: &mut Random) -> Subscribe {
    let all = [Subscribe::gating(), Subscribe::lossy(), Subscribe::latest()];
    let how = all[random.below(all.len())];
    match random.below(3) {
        0 => how,
        1 => how.from(Start::Oldest),
        _ => how.from(Start::Position(random.next() >> random.below(64))),
    }
}

/// Evicts whatever looks like a subscriber.
fn evict(segment: &Segment) {
    for holder in segment.status().into_iter().flat_map(|status| status.ring().holders.clone()) {
        let _ = segment.evict(&holder);
    }
}

fn look(observer: &Observer, random: &mut Random) {
    let before = observer.status();
    let peeked = observer.peek(random.below(200), random.below(100));
    assert!(peeked.is_ok_and(|peeked| peeked.messages.len() < 200));
    if let (Ok(before), Ok(after)) = (before, observer.status()) {
        let _ = after.ring().stall_since(before.ring());
        let _ = after.ring().held_up_by();
        for participant in after.attached {
            let _ = participant.process();
        }
    }
}

/// Waits for both handles by a set, and by their descriptors.
fn wait(producer: &mut Producer, consumer: &mut Consumer, random: &mut Random, verbs: usize) {
    let mut set = WaitSet::new();
    set.set_wait_mode(MODES[random.below(3)]);
    let keys = [set.add(consumer), set.add_writable(producer)];
    let readiness = [consumer.readiness(), producer.readiness()];
    for _ in 0..verbs {
        match random.below(7) {
            0 | 1 => {
                let ready = set.wait(Some(WAIT)).map(|ready| ready.count());
                assert!(ready.is_ok_and(|ready| ready <= keys.len()));
            }
            2 | 3 => {
                for readiness in readiness.iter().flatten() {
                    let _ = readiness.arm();
                }
            }
            4 => readiness.iter().flatten().for_each(|one| one.disarm()),
            5 => send(producer, random),
            _ => receive(consumer, random),
        }
    }
    set.remove(keys[random.below(2)]);
}

fn send(producer: &mut Producer, random: &mut Random) {
    let most = producer.max_message_bytes().min(1 << 12);
    let message = vec![0xA5; random.below(most.min(40) + 1)];
    match random.below(6) {
        0 => drop(producer.try_send(&message)),
        1 => drop(producer.send_timeout(&message, WAIT)),
        2 => drop(producer.try_send_batch(&vec![message; random.below(20)])),
        3 => {
            if let Ok(mut space) = producer.try_reserve(most.min(64)) {
                space.write_at(0, &[1; 8][..space.capacity().min(8)]);
                space.commit();
            }
        }
        4 => drop(producer.try_reserve(message.len()).map(std::mem::forget)),
        _ => drop(producer.try_clone()),
    }
}

fn receive(consumer: &mut Consumer, random: &mut Random) {
    let mut buffer = [0; 24];
    match random.below(7) {
        0 => drop((consumer.try_recv(), consumer.missed(), consumer.position())),
        1 => drop(consumer.recv_timeout(WAIT)),
        2 => drop(consumer.try_recv_into(&mut buffer)),
        3 => {
            if let Ok(peek) = consumer.try_peek() {
                peek.read_at(random.below(64), &mut buffer);
                drop(peek.to_vec());
                peek.release();
            }
        }
        4 => drop(consumer.try_recv_batch(random.below(40), |message| drop(message.to_vec()))),
        5 => {
            if let Ok(mut ahead) = consumer.lookahead() {
                let mut seen = 0;
                while seen < 100 && ahead.next().is_some() {
                    seen += 1;
                }
                ahead.release_first(seen / 2);
            }
        }
        _ => drop(consumer.try_clone()),
    }
}

/// Takes jobs, and does with each what can be done with it.
pub(crate) fn work(worker: &Worker, random: &mut Random, verbs: usize) {
    let mut jobs = Vec::new();
    for _ in 0..verbs {
        match random.below(8) {
            0 | 1 => jobs.extend(worker.try_take()),
            2 => jobs.extend(worker.take_timeout(WAIT)),
            3 => drop((worker.try_clone(), worker.len(), worker.readiness())),
            4 => std::mem::forget(jobs.pop()),
            what => {
                if !jobs.is_empty() {
                    finish(jobs.swap_remove(random.below(jobs.len())), what == 5);
                }
            }
        }
        assert!(worker.in_hand() <= Worker::MAX_IN_HAND);
    }
}

fn finish(job: Job<'_>, is_done: bool) {
    let bytes = job.to_vec();
    // A worker that has found damage reads nothing any more.
    assert!(bytes.is_empty() || bytes.len() == job.len(), "{job:?}");
    assert!(job.len() < 1 << 20 && job.attempts() > 0, "{job:?}");
    job.read_at(bytes.len() / 2, &mut [0; 24]);
    if is_done {
        job.acknowledge();
    }
}

fn values<T: Element + Default>(segment: &Segment, random: &mut Random, verbs: usize) {
    let mut producer = segment.value_producer::<T>();
    let mut consumer = segment.value_consumer::<T>();
    let some = vec![T::default(); 100];
    for _ in 0..verbs {
        if let Ok(producer) = &mut producer {
            let count = random.below(some.len());
            match random.below(7) {
                0 => drop(producer.try_send(&some[0])),
                4 => drop(producer.try_reserve(count).map(std::mem::forget)),
                5 => drop(producer.try_clone()),
                1 => drop((producer.wait_writable(WAIT), producer.len())),
                2 => drop(producer.send_slice_timeout(&some[..count], WAIT)),
                3 => drop(producer.try_send_some(&some[..count])),
                _ => {
                    if let Ok(mut space) = producer.try_reserve(count) {
                        let len = space.capacity();
                        space.push_slice(&some[..len / 2]);
                        space.commit();
                    }
                }
            }
        }
        if let Ok(consumer) = &mut consumer {
            let count = random.below(some.len());
            match random.below(6) {
                0 => drop(consumer.try_recv()),
                3 => drop((consumer.wait_readable(WAIT), consumer.len())),
                4 => drop(consumer.try_clone()),
                5 => {
                    if let Ok(elements) = consumer.try_peek(count) {
                        let _ = elements.read_at(random.below(count + 1), &mut some.clone());
                        elements.release();
                    }
                }
                1 => drop(consumer.recv_slice_timeout(&mut some.clone()[..count], WAIT)),
                _ => {
                    if let Ok(elements) = consumer.try_peek(count) {
                        drop(elements.to_vec());
                        let _ = elements.get(random.below(count + 1));
                        let len = elements.len();
                        assert!(len > 0 && elements.redelivered() <= len);
                        elements.release_first(len / 2);
                    }
                }
            }
        }
    }
}
