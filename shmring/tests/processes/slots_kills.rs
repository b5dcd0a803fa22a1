//! Producers and consumers of slot rings that are killed at any moment while they work,
//! with others beside them that go on.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use shmring::{Consumer, Kind, Producer, RecvError, Role, Segment, Status};

use crate::common::child::{self, Part, say};
use crate::common::{Name, eventually, slots, watchdog};

const ROUNDS: u64 = 50;
/// The most messages that a victim has in its hands at once.
const MOST: u64 = 4;
/// Senders that live, by number; victims have later ones.
const SURVIVORS: u64 = 2;

/// A message holds its sender and number, and a check of both.
fn message(sender: u64, number: u64) -> [u64; 4] {
    [sender, number, !sender, number.wrapping_mul(0xD134_2543_DE82_EF95)]
}

fn read(bytes: &[u8]) -> (u64, u64) {
    let words: [u64; 4] = bytemuck::pod_read_unaligned(bytes);
    assert_eq!(words, message(words[0], words[1]), "half a message");
    (words[0], words[1])
}

/// A file for what a victim tells while it can.
fn open(path: &str) -> File {
    OpenOptions::new().create(true).write(true).truncate(true).open(path).unwrap()
}

/// In the child: sends in every way until it is killed. The file tells how many messages
/// it had sent for certain.
pub(crate) fn send(args: &[String]) {
    let (sender, file) = (args[1].parse().unwrap(), open(&args[2]));
    let mut tx = Segment::attach(&args[0]).unwrap().producer().unwrap();
    say("sends");
    let mut number = 0;
    loop {
        let count = match number % 7 {
            1 => {
                let batch: Vec<_> = (number..number + MOST)
                    .map(|number| bytemuck::cast::<_, [u8; 32]>(message(sender, number)))
                    .collect();
                tx.send_batch(&batch).unwrap();
                MOST
            }
            5 => {
                drop(tx.reserve(32).unwrap());
                let mut reservation = tx.reserve(40).unwrap();
                for (index, word) in message(sender, number).iter().enumerate() {
                    reservation.write_at(8 * index, &word.to_ne_bytes());
                }
                reservation.commit();
                1
            }
            _ => {
                tx.send(bytemuck::bytes_of(&message(sender, number))).unwrap();
                1
            }
        };
        number += count;
        file.write_all_at(&u64::to_ne_bytes(number), 0).unwrap();
    }
}

/// In the child: receives in every way until it is killed. The file tells what it had
/// received for certain, and of that which it had before its last receive.
pub(crate) fn receive(args: &[String]) {
    let file = open(&args[1]);
    let mut rx = Segment::attach(&args[0]).unwrap().consumer().unwrap();
    say("receives");
    let (mut offset, mut round, mut buffer) = (0, 0, [0; 64]);
    loop {
        let mut received = Vec::new();
        let end = match round % 3 {
            0 => rx.recv_into(&mut buffer).map(|len| received.extend_from_slice(&buffer[..len])),
            1 => {
                received = rx.recv().unwrap();
                Ok(())
            }
            _ => {
                rx.recv_batch(MOST as usize, |message| message.append_to(&mut received)).unwrap();
                Ok(())
            }
        };
        end.unwrap();
        file.write_all_at(&received, offset).unwrap();
        offset += received.len() as u64;
        round += 1;
    }
}

/// Ends everyone's work when it is dropped by a panic, so that no thread waits for
/// another that failed.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// What one consumer received, in order.
type Received = Vec<(u64, u64)>;

/// Sends until stopped, and returns the number of messages.
fn keep_sending(mut tx: Producer, sender: u64, stop: &AtomicBool) -> u64 {
    let _alarm = Alarm(stop);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        tx.send(bytemuck::bytes_of(&message(sender, number))).unwrap();
        number += 1;
    }
    number
}

/// Receives to the end, and counts each sender's messages where others can see it.
fn keep_receiving(mut rx: Consumer, counts: &[AtomicU64], stop: &AtomicBool) -> Received {
    let _alarm = Alarm(stop);
    let mut received = Vec::new();
    loop {
        match rx.recv() {
            Ok(bytes) => {
                let (sender, number) = read(&bytes);
                counts[sender as usize].fetch_add(1, Ordering::Relaxed);
                received.push((sender, number));
            }
            Err(RecvError::Eof) => break received,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until so many more messages of that sender were received.
fn await_more(count: &AtomicU64, more: u64, stop: &AtomicBool) {
    let goal = count.load(Ordering::Relaxed) + more;
    while count.load(Ordering::Relaxed) < goal {
        assert!(!stop.load(Ordering::Relaxed), "another thread failed");
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// A moment that differs from round to round, up to some milliseconds away.
fn moment(round: u64) -> Duration {
    Duration::from_micros(round.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & 0xFFF)
}

/// The numbers of each sender's messages. Each consumer got them in order, and no two
/// got the same.
fn by_sender(received: &[Received]) -> HashMap<u64, Vec<u64>> {
    let mut all: HashMap<u64, Vec<u64>> = HashMap::new();
    for received in received {
        let mut last = HashMap::new();
        for &(sender, number) in received {
            let before = last.insert(sender, number);
            assert!(before.is_none_or(|before| before < number), "{sender}: {number} {before:?}");
            all.entry(sender).or_default().push(number);
        }
    }
    for (sender, numbers) in &mut all {
        numbers.sort_unstable();
        let twice = numbers.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None, "{sender} was received twice");
    }
    all
}

/// An attach reaps the last dead processes, once the kernel has released their tokens. A
/// victim that was killed while it cleaned up behind the one before it is followed by
/// another cleaner, which counts that death once more.
fn when_cleaned_up(name: &Name) -> Status {
    eventually("each death was seen", || {
        let status = Segment::attach(name).unwrap().status().unwrap();
        assert!(status.repairs <= 2 * ROUNDS, "{} repairs", status.repairs);
        let seen = status.repairs >= ROUNDS && status.attached.iter().all(|one| one.alive);
        seen.then_some(status)
    })
}

/// Catches survivors that are stuck behind the dead, messages of theirs that are lost or
/// come twice, and messages of the dead that come in part, out of turn, or not though
/// they were sent: only its last send is in doubt.
#[test]
fn producers_killed_at_any_moment_leave_nothing_half_done() {
    let _watchdog = watchdog("producers_killed_at_any_moment_leave_nothing_half_done");
    for (kind, count) in [(Kind::Mpmc, 4), (Kind::Mpmc, 256), (Kind::Mpsc, 8)] {
        let name = Name::new();
        let segment = name.create(&slots(kind, count, 48).max_handles(8).max_attachments(8));
        let receivers = if kind.shares(Role::Consumer) { 2 } else { 1 };
        let consumers: Vec<_> = (0..receivers).map(|_| segment.consumer().unwrap()).collect();
        let producers: Vec<_> = (0..SURVIVORS).map(|_| segment.producer().unwrap()).collect();
        let counts: Vec<_> = (0..SURVIVORS + ROUNDS).map(|_| AtomicU64::new(0)).collect();
        let stop = AtomicBool::new(false);
        let mut certain = Vec::new();
        let (sent, received): (Vec<u64>, Vec<Received>) = std::thread::scope(|scope| {
            let (counts, stop) = (&counts, &stop);
            let _alarm = Alarm(stop);
            let receiving: Vec<_> = consumers
                .into_iter()
                .map(|rx| scope.spawn(move || keep_receiving(rx, counts, stop)))
                .collect();
            let sending: Vec<_> = (0..)
                .zip(producers)
                .map(|(sender, tx)| scope.spawn(move || keep_sending(tx, sender, stop)))
                .collect();
            for round in 0..ROUNDS {
                let (victim, told) = (SURVIVORS + round, Name::new());
                let file = told.path();
                let args = [&*name, &victim.to_string(), file.to_str().unwrap()];
                let mut child = child::start("ring-send-on", &args);
                assert_eq!(child.hear(), "sends");
                await_more(&counts[victim as usize], round % 5, stop);
                std::thread::sleep(moment(round));
                child.kill();
                let told = fs::read(&file).unwrap();
                certain.push(told.try_into().map_or(0, u64::from_ne_bytes));
                // All others go on: enough to pass any place where the dead may have been.
                counts[..SURVIVORS as usize]
                    .iter()
                    .for_each(|sent| await_more(sent, 2 * count, stop));
            }
            stop.store(true, Ordering::Relaxed);
            let join = |thread: std::thread::ScopedJoinHandle<'_, u64>| thread.join().unwrap();
            let sent = sending.into_iter().map(join).collect();
            (sent, receiving.into_iter().map(|thread| thread.join().unwrap()).collect())
        });
        let all = by_sender(&received);
        for (sender, sent) in (0..).zip(sent) {
            assert!(all[&sender].iter().copied().eq(0..sent), "{kind}: of survivor {sender}");
        }
        for (victim, certain) in (SURVIVORS..).zip(certain) {
            let numbers = all.get(&victim).map_or(&[][..], Vec::as_slice);
            assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{kind}: {numbers:?}");
            let got = numbers.len() as u64;
            assert!((certain..=certain + MOST).contains(&got), "{kind}: {got} of {certain} sent");
        }
        let status = when_cleaned_up(&name);
        assert_eq!(
            (status.ring().used_slots, status.ring().producers.len()),
            (Some(0), 0),
            "{kind}"
        );
        assert_eq!(status.attached.len(), 2, "{kind}");
        assert!(
            status.ring().resolved <= ROUNDS * MOST,
            "{kind}: {} resolved",
            status.ring().resolved
        );
    }
}

/// Catches a ring that is stuck with a consumer that was killed, messages that come twice
/// because it had them already, and more of them that are gone than it had in its hands.
#[test]
fn killed_consumers_take_only_the_messages_they_were_receiving() {
    let _watchdog = watchdog("killed_consumers_take_only_the_messages_they_were_receiving");
    for (kind, count) in [(Kind::Mpmc, 4), (Kind::Spmc, 64)] {
        let name = Name::new();
        let segment = name.create(&slots(kind, count, 48).max_handles(8).max_attachments(8));
        let survivor = segment.consumer().unwrap();
        let senders = if kind.shares(Role::Producer) { 2 } else { 1 };
        let producers: Vec<_> = (0..senders).map(|_| segment.producer().unwrap()).collect();
        let counts: Vec<_> = (0..senders).map(|_| AtomicU64::new(0)).collect();
        let stop = AtomicBool::new(false);
        let (sent, received): (Vec<u64>, Vec<Received>) = std::thread::scope(|scope| {
            let (counts, stop) = (&counts, &stop);
            let _alarm = Alarm(stop);
            let receiving = scope.spawn(move || keep_receiving(survivor, counts, stop));
            let sending: Vec<_> = (0..)
                .zip(producers)
                .map(|(sender, tx)| scope.spawn(move || keep_sending(tx, sender, stop)))
                .collect();
            let mut received = Vec::new();
            for round in 0..ROUNDS {
                let told = Name::new();
                let file = told.path();
                let mut child: Part =
                    child::start("ring-receive-on", &[&*name, file.to_str().unwrap()]);
                assert_eq!(child.hear(), "receives");
                std::thread::sleep(moment(round));
                child.kill();
                let told = fs::read(&file).unwrap();
                received.push(told.chunks_exact(32).map(read).collect());
                // The dead may have had the last message of one of them, and no more.
                counts.iter().for_each(|sent| await_more(sent, 2 * count, stop));
            }
            stop.store(true, Ordering::Relaxed);
            let sent = sending.into_iter().map(|thread| thread.join().unwrap()).collect();
            received.push(receiving.join().unwrap());
            (sent, received)
        });
        let all = by_sender(&received);
        let got: u64 = all.values().map(|numbers| numbers.len() as u64).sum();
        let lost = sent.iter().sum::<u64>() - got;
        assert!(lost <= ROUNDS * MOST, "{kind}: {lost} are gone");
        // They are gone one hand at a time.
        for (sender, numbers) in all {
            let gap = numbers.windows(2).map(|pair| pair[1] - pair[0] - 1).max().unwrap();
            assert!(gap <= MOST && numbers[0] <= MOST, "{kind}, {sender}: {gap} in a row");
        }
        let status = when_cleaned_up(&name);
        assert_eq!((status.ring().used_slots, status.ring().resolved), (Some(0), 0), "{kind}");
    }
}
