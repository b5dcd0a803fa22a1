//! Who is woken by the verbs of a worker.

use super::{RecvEndpoint, SendEndpoint, segment, send, sender};
use crate::endpoint::park::WaitMode;
use crate::endpoint::subscribe::Subscribe;
use crate::ring::jobs::Taken;
use crate::{Config, Segment};

fn worker(segment: &Segment) -> RecvEndpoint {
    let mapped = segment.view().unwrap();
    let mut endpoint = RecvEndpoint::join_any(mapped, Subscribe::gating()).unwrap();
    endpoint.registration.mode = WaitMode::Block;
    endpoint
}

/// A ring of two jobs, and a worker that has the first.
fn with_a_job_in_hand() -> (Segment, SendEndpoint, RecvEndpoint, Taken) {
    let segment = segment(&Config::jobs().slots(2));
    let mut tx = sender(&segment);
    send(&mut tx, b"one");
    send(&mut tx, b"two");
    let mut rx = worker(&segment);
    rx.next_job().unwrap();
    let job = rx.taken();
    (segment, tx, rx, job)
}

/// Catches a job that comes back while the others sleep on, however far they look.
#[test]
fn a_job_that_comes_back_wakes_a_worker() {
    let (segment, _tx, mut rx, job) = with_a_job_in_hand();
    let other = worker(&segment);
    other.registration.arm(1 << 40);
    rx.give_back(job);
    assert!(!other.registration.is_armed());
}

/// Catches a job of a worker that leaves and wakes nobody.
#[test]
fn a_worker_that_leaves_wakes_another() {
    let (segment, _tx, rx, _) = with_a_job_in_hand();
    let other = worker(&segment);
    other.registration.arm(1 << 40);
    drop(rx);
    assert!(!other.registration.is_armed());
}

/// Catches room that wakes nobody; and an acknowledgement out of order, which makes none yet, that
/// is forgotten.
#[test]
fn acknowledged_jobs_wake_a_sender() {
    let (segment, tx, mut rx, first) = with_a_job_in_hand();
    let mut other = worker(&segment);
    other.next_job().unwrap();
    tx.registration.arm(2);
    assert!(other.acknowledge(other.taken()));
    assert!(tx.registration.is_armed(), "head is at the first job still");
    assert!(rx.acknowledge(first));
    assert!(!tx.registration.is_armed());
}

/// Catches workers that sleep through the end of the stream.
#[test]
fn the_last_acknowledgement_wakes_all_workers() {
    let (segment, tx, mut rx, first) = with_a_job_in_hand();
    rx.next_job().unwrap();
    let second = rx.taken();
    let waiting = [worker(&segment), worker(&segment)];
    drop(tx);
    waiting.iter().for_each(|other| other.registration.arm(1 << 40));
    assert!(rx.acknowledge(first));
    assert!(waiting.iter().all(|other| other.registration.is_armed()), "one job is in hand");
    assert!(rx.acknowledge(second));
    assert!(!waiting.iter().any(|other| other.registration.is_armed()));
}
