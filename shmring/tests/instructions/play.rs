//! The victim's part: what it does before the operation, and the operation.

use std::hint::black_box;
use std::os::fd::AsRawFd;

use shmring::info::{Holder, SubscriptionMode};
use shmring::readiness::Arm;
use shmring::{Config, Kind, Readiness, Role, Segment, WaitSet, Worker};

use crate::case::{Case, Op, TAKEN_AT_ONCE};
use crate::ends::{Item, Rx, Tx};
use crate::stage::{DEADS, DOUBT, VICTIMS_OWN};
use crate::victim::Mark;

/// Longer than any message.
const BUFFER_BYTES: usize = 4096;

/// In the victim: plays the whole part. Returns only if it is not killed.
pub(crate) fn play(case: Case, name: &str) {
    let mark = Mark::new();
    if case.op == Op::Attach {
        let _segment = black_box(mark.around(|| Segment::attach(name).unwrap()));
        return;
    }
    let segment = Segment::attach(name).unwrap();
    match case.op {
        Op::Evict => {
            let status = segment.status().unwrap();
            let mode = |holder: &Holder| holder.subscription.as_ref().map(|one| one.mode);
            let holders = status.ring().holders_of(Role::Consumer);
            let gating = holders.filter(|holder| mode(holder) == Some(SubscriptionMode::Gating));
            // Survivors have joined: the consumer first, and the one that is to be evicted last.
            let last = gating.last().unwrap();
            mark.around(|| segment.evict(last).unwrap());
        }
        Op::Join(Role::Producer) => {
            let _tx = black_box(mark.around(|| Tx::join(&segment).unwrap()));
        }
        Op::Join(Role::Consumer) => {
            let _rx = black_box(mark.around(|| Rx::join_as(case.how, &segment).unwrap()));
        }
        Op::Leave(Role::Producer) => {
            let mut tx = Tx::join(&segment).unwrap();
            drop(segment);
            tx.send(&Item::new(VICTIMS_OWN)).unwrap();
            mark.around(|| drop(tx));
        }
        Op::Leave(Role::Consumer) => {
            let mut rx = Rx::join_at_messages(case.how, &segment).unwrap();
            drop(segment);
            rx.recv_into(&mut [0; BUFFER_BYTES]).unwrap();
            mark.around(|| drop(rx));
        }
        Op::Select => select(
            &mark,
            Rx::join_at_messages(case.how, &segment).unwrap(),
            case.kind == Kind::Mpmc,
        ),
        Op::Arm => poll(&mark, Rx::join_at_messages(case.how, &segment).unwrap()),
        Op::Take | Op::Acknowledge | Op::GiveBack => {
            work(case.op, &mark, Rx::join(&segment).unwrap().worker());
        }
        op if op.role() == Some(Role::Producer) => {
            send(case, &mark, Tx::join(&segment).unwrap());
        }
        op => receive(op, &mark, Rx::join_at_messages(case.how, &segment).unwrap()),
    }
}

fn send(case: Case, mark: &Mark, mut tx: Tx) {
    tx.block();
    let sent = (DOUBT..).zip(case.sent());
    let items: Vec<_> = sent.map(|(number, len)| Item::of_len(number, len)).collect();
    let numbers: Vec<_> = items.iter().map(|item| item.number).collect();
    match case.op {
        Op::Send => mark.around(|| tx.send(&items[0]).unwrap()),
        Op::Reserve => mark.around(|| tx.reserve_and_commit(&items[0]).unwrap()),
        Op::Abort => mark.around(|| tx.reserve_and_abort(&items[0]).unwrap()),
        _ => mark.around(|| tx.send_batch(&items, &numbers).unwrap()),
    }
}

fn receive(op: Op, mark: &Mark, mut rx: Rx) {
    rx.block();
    let (mut buffer, mut numbers) = ([0; BUFFER_BYTES], [0; TAKEN_AT_ONCE]);
    match op {
        Op::Recv => mark.around(|| rx.recv_into(&mut buffer).unwrap()),
        Op::Peek => mark.around(|| rx.peek_and_release(&mut buffer).unwrap()),
        _ => {
            let count = mark.around(|| rx.recv_batch(&mut buffer, &mut numbers).unwrap());
            black_box(count);
        }
    }
    black_box((buffer, numbers));
}

fn work(op: Op, mark: &Mark, worker: &Worker) {
    if op == Op::Take {
        black_box(mark.around(|| worker.take().unwrap()).len());
        return;
    }
    let job = worker.take().unwrap();
    match op {
        Op::Acknowledge => mark.around(|| assert!(job.acknowledge())),
        _ => mark.around(|| job.give_back()),
    }
}

/// Receives a message by a set with another ring in it, in which nothing comes.
fn select(mark: &Mark, mut rx: Rx, is_last: bool) {
    let config = Config::mpmc().slots(2).slot_bytes(64);
    let other = Segment::create_sealed("other", &config).unwrap();
    let other = Rx::join(&other).unwrap();
    let (mut set, mut buffer) = (WaitSet::new(), [0; BUFFER_BYTES]);
    let [first, last] = if is_last { [&other, &rx] } else { [&rx, &other] };
    let keys = [first, last].map(|rx| rx.add_to(&mut set));
    let mine = keys[usize::from(is_last)];
    mark.around(|| {
        while !(set.wait(None).unwrap().any(|key| key == mine) && rx.try_recv_into(&mut buffer)) {}
    });
    black_box(buffer);
}

/// Receives a message as an event loop does.
fn poll(mark: &Mark, mut rx: Rx) {
    let (readiness, mut buffer) = (rx.readiness(), [0; BUFFER_BYTES]);
    // A first arm waits for the thread that serves it.
    std::thread::sleep(std::time::Duration::from_millis(1));
    mark.around(|| {
        loop {
            if readiness.arm() == Ok(Arm::Armed) {
                await_readable(&readiness);
                readiness.clear();
            }
            if rx.try_recv_into(&mut buffer) {
                break;
            }
        }
    });
    black_box(buffer);
}

fn await_readable(readiness: &Readiness) {
    let mut fd = libc::pollfd { fd: readiness.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the descriptor and its events are valid for the length of the call.
    unsafe { libc::ppoll(&raw mut fd, 1, std::ptr::null(), std::ptr::null()) };
}

/// In a process that dies before the victim does: takes what its scene says, and stops.
pub(crate) fn play_dead(case: Case, name: &str) {
    let segment = Segment::attach(name).unwrap();
    let mut producers: Vec<_> = Tx::join(&segment).into_iter().collect();
    let worker = (case.kind == Kind::Jobs).then(|| Rx::join(&segment).unwrap());
    if let Some(worker) = &worker {
        producers[0].send(&Item::new(DEADS)).unwrap();
        std::mem::forget(worker.worker().take().unwrap());
    }
    if case.shares(Role::Producer) {
        producers[0].reserve_and_forget();
    }
    let dead = case.scene == crate::case::Scene::Dead;
    let _consumer = dead.then(|| Rx::join(&segment).unwrap());
    if dead && case.shares(Role::Producer) {
        // No process can then join without reaping first.
        producers.extend(std::iter::from_fn(|| Tx::join(&segment).ok()));
    }
    Mark::new().set();
}
