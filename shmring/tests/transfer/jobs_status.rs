//! What observers see of jobs: who has which, and since when.

use std::time::Duration;

use shmring::info::{Delay, Jobs, Stall};
use shmring::{Config, Observer, Role, Segment, Worker};

/// A job ring with a name that no other test has, removed at the end.
struct Ring {
    name: String,
    segment: Segment,
}

impl Ring {
    fn new(what: &str, slots: u64) -> Self {
        let name = format!("shmring-test-{}-{what}", std::process::id());
        let config = Config::jobs().slots(slots).slot_bytes(32);
        let segment = Segment::create(&name, &config).unwrap();
        Self { name, segment }
    }

    fn send(&self, jobs: &[&str]) {
        let mut producer = self.segment.producer().unwrap();
        producer.set_require_consumer(false);
        jobs.iter().for_each(|job| producer.try_send(job.as_bytes()).unwrap());
    }

    /// The first bytes of what an observer finds.
    fn peek(&self) -> Vec<String> {
        let peeked = Observer::open(&self.name).unwrap().peek(100, 100).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        peeked.messages.into_iter().map(|message| text(message.bytes)).collect()
    }

    fn counts(&self) -> (u64, u64, u64) {
        let Jobs { waiting, returned, in_hand, .. } =
            self.segment.status().unwrap().ring().jobs.unwrap();
        (waiting, returned, in_hand)
    }

    /// The positions and attempts of each worker's jobs, and whether it has had some for a time.
    fn hands(&self) -> Vec<(Vec<(u64, u64)>, bool)> {
        let status = self.segment.status().unwrap();
        let of = |holder: &shmring::info::Holder| {
            let jobs = holder.in_hand.iter().map(|job| (job.position, job.attempts)).collect();
            (jobs, holder.in_hand_for.is_some())
        };
        status.ring().holders_of(Role::Consumer).map(of).collect()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let _ = Segment::unlink(&self.name);
    }
}

/// Catches jobs in the wrong hands, attempts of another job, and a time that is kept by a worker
/// that has nothing.
#[test]
fn hands_are_shown() {
    let ring = Ring::new("hands", 8);
    let [one, other]: [Worker; 2] = [(); 2].map(|()| ring.segment.worker().unwrap());
    ring.send(&["a", "b", "c", "d"]);
    assert_eq!(ring.counts(), (4, 0, 0));
    assert_eq!(ring.hands(), [(vec![], false), (vec![], false)]);
    let a = one.try_take().unwrap();
    one.try_take().unwrap().give_back();
    let b = other.try_take().unwrap();
    let c = one.try_take().unwrap();
    assert_eq!(ring.counts(), (1, 0, 3));
    assert_eq!(ring.hands(), [(vec![(0, 1), (2, 1)], true), (vec![(1, 2)], true)]);
    b.give_back();
    assert_eq!(ring.counts(), (2, 1, 2));
    assert_eq!(ring.hands()[1], (vec![], false));
    c.acknowledge();
    // What is done is passed, also behind what is not.
    assert_eq!(ring.peek(), ["a", "b", "d"]);
    assert_eq!(ring.hands()[0], (vec![(0, 1)], true));
    a.acknowledge();
    assert_eq!(ring.hands()[0], (vec![], false));
    assert_eq!(ring.counts(), (2, 1, 0));
}

/// Catches a time that starts with each job, or with the wait before the first.
#[test]
fn the_time_is_that_of_the_first_job() {
    let ring = Ring::new("time", 8);
    let worker = ring.segment.worker().unwrap();
    ring.send(&["a", "b"]);
    let held_for = || {
        let status = ring.segment.status().unwrap();
        status.ring().holders_of(Role::Consumer).next().unwrap().in_hand_for.unwrap()
    };
    std::thread::sleep(Duration::from_millis(30));
    let a = worker.try_take().unwrap();
    let begin = held_for();
    std::thread::sleep(Duration::from_millis(30));
    let _b = worker.try_take().unwrap();
    a.acknowledge();
    assert!(held_for() >= begin + Duration::from_millis(30), "{begin:?}, {:?}", held_for());
}

/// Catches a stall where jobs move though head does not, the wrong kind of one, and another worker
/// to blame.
#[test]
fn the_first_job_holds_a_full_ring_up() {
    let ring = Ring::new("full", 4);
    let [one, other]: [Worker; 2] = [(); 2].map(|()| ring.segment.worker().unwrap());
    ring.send(&["a", "b", "c"]);
    let status = || ring.segment.status().unwrap();
    let before = status();
    assert_eq!(status().ring().stall_since(before.ring()), Some(Stall::NotTaken));
    let _a = other.try_take().unwrap();
    assert_eq!(status().ring().stall_since(before.ring()), None);
    let before = status();
    assert_eq!(status().ring().stall_since(before.ring()), Some(Stall::InHand));
    one.try_take().unwrap().acknowledge();
    let b = one.try_take().unwrap();
    assert_eq!(status().ring().stall_since(before.ring()), None);
    assert_eq!(status().ring().held_up_by(), None, "it is not full");
    ring.send(&["d"]);
    let before = status();
    assert_eq!(status().ring().stall_since(before.ring()), Some(Stall::Full));
    let held_up = status().ring().held_up_by().unwrap();
    assert_eq!((held_up.holder.in_hand[0].position, held_up.why), (0, Delay::Slow));
    drop((_a, b));
    assert_eq!(status().ring().held_up_by(), None, "nobody has the first job");
}
