//! Claims, next and stamps that change under workers.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use shmring::{Config, Segment, TryRecvError, Worker};

use crate::common::{Name, watchdog};
use crate::random::Random;
use crate::verbs;

const ROUNDS: u64 = 400;
const VERBS: usize = 60;
const SLOTS: u64 = 4;
const SLOT_BYTES: u64 = 40;
/// As many as the tables have unless a segment's creator says otherwise, and where the parts of the
/// segment are: behind the header page, the directory and both tables.
const ENTRIES: u64 = 64;
const HANDLES: u64 = 8192 + ENTRIES * 64;
const CONTROL: u64 = HANDLES + ENTRIES * 256;
const NEXT: u64 = CONTROL + 200;

fn segment(name: &Name) -> (Segment, u64) {
    let segment = name.create(&Config::jobs().slots(SLOTS).slot_bytes(SLOT_BYTES));
    let data = segment.info().total_bytes - 4096;
    (segment, data)
}

/// What a worker believes: the stamp and the claim of each slot, next, head and tail, and which
/// positions the first handles note.
fn words(data: u64) -> Vec<u64> {
    let slots = (0..SLOTS).flat_map(|slot| [0, 8].map(|word| data + slot * SLOT_BYTES + word));
    let noted = (0..3).flat_map(|handle| (0..8).map(move |hand| (handle, hand)));
    let noted = noted.map(|(handle, hand)| HANDLES + handle * 256 + 48 + hand * 8);
    slots.chain([NEXT, NEXT, CONTROL, CONTROL + 128]).chain(noted).collect()
}

/// Catches a claim, a stamp or next that is believed by a worker that takes, acknowledges and gives
/// back: a panic, a loop, or an access outside the segment.
#[test]
fn a_peer_that_scribbles_over_claims_gives_errors_or_jobs() {
    let _watchdog = watchdog("a_peer_that_scribbles_over_claims_gives_errors_or_jobs");
    let name = Name::new();
    let (segment, data) = segment(&name);
    let words = words(data);
    let file = OpenOptions::new().read(true).write(true).open(name.path()).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(7);
            while !over.load(Ordering::Relaxed) {
                let offset = words[random.below(words.len())];
                let mut word = [0; 8];
                file.read_exact_at(&mut word, offset).unwrap();
                let word = random.instead_of(u64::from_ne_bytes(word));
                file.write_all_at(&word.to_ne_bytes(), offset).unwrap();
            }
        });
        for seed in 0..ROUNDS {
            let mut random = Random::new(seed);
            let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
            for _ in 0..SLOTS {
                let _ = tx.try_send(&[0xA5; 8]).and_then(|()| tx.try_send(&[0xA5; 60]));
                verbs::work(&worker, &mut random, VERBS / SLOTS as usize);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

/// Catches a claim that no correct peer writes, and is taken for one of a job that somebody has,
/// which nobody would ever get.
#[test]
fn a_claim_that_is_none_is_corrupt() {
    let state = |position: u64, attempts: u64, handle: u64, state: u64| {
        (position + 1) << 26 | attempts << 10 | handle << 2 | state
    };
    // Without a state, of another slot, and of an earlier job that was never acknowledged.
    for claim in [state(4, 1, 0, 0), state(5, 1, 0, 1), state(0, 1, 0, 1), state(0, 1, 0, 2)] {
        let name = Name::new();
        let (segment, data) = segment(&name);
        let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
        for _ in 0..4 {
            tx.send(b"done").unwrap();
            assert!(worker.take().unwrap().acknowledge());
        }
        tx.send(b"claimed").unwrap();
        name.poke(data + 8, claim);
        let error = worker.try_take().map(|job| job.position()).unwrap_err();
        let TryRecvError::Failed(shmring::Fault::Corrupt(corrupt)) = error else {
            panic!("{claim:#x}: {error:?}");
        };
        assert_eq!((corrupt.what, corrupt.position, corrupt.found), ("a claim", 4, claim));
        assert_fails_from_now_on(&worker);
    }
}

fn assert_fails_from_now_on(worker: &Worker) {
    let again = worker.try_take().map(|job| job.position());
    assert!(matches!(again, Err(TryRecvError::Failed(_))), "{again:?}");
}

/// Catches next that is believed: wherever it points, and whatever its version, each job is taken
/// once, or the worker says what is wrong.
#[test]
fn next_is_only_a_hint() {
    let _watchdog = watchdog("next_is_only_a_hint");
    for next in [0, 1, 3, 4, 5, 1 << 39, (1 << 40) - 1, 1 << 40, u64::MAX, u64::MAX << 40] {
        let name = Name::new();
        let (segment, _) = segment(&name);
        let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
        for number in 0..3 {
            tx.send(&[number; 8]).unwrap();
        }
        name.poke(NEXT, next);
        let mut taken = Vec::new();
        let end = loop {
            match worker.try_take() {
                Ok(job) => {
                    taken.push(job.position());
                    assert!(job.acknowledge());
                }
                Err(error) => break error,
            }
        };
        let is_told = matches!(end, TryRecvError::Failed(shmring::Fault::Corrupt(_)));
        taken.sort_unstable();
        assert!(is_told || taken == [0, 1, 2], "{next:#x}: {taken:?}, then {end:?}");
        taken.dedup();
        assert!(taken.len() <= 3 && taken.iter().all(|position| *position < 3), "{taken:?}");
    }
}
