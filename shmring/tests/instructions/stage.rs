//! The survivors: what they have before the victim starts, what they do after it died,
//! and the ledger of every message.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::{self, JoinHandle};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use shmring::{AttachError, Kind, RecvTimeoutError, Role, Segment, TryRecvError, TrySendError};

use crate::case::{Case, Op, Scene};
use crate::common::{LONG, Name, SHORT};
use crate::ends::{Item, Rx, Tx};
use crate::play::play_dead;
use crate::victim::{fork_part, kill_and_reap, sleeps};
use crate::waits::{join, receive_all, send_one, settle};
use crate::watchers::Watchers;

/// Messages by number: the first that the victim sends or has to take, the one that it
/// sent before, the one of a sender that sleeps, and those sent after its death.
pub(crate) const DOUBT: u64 = 100;
pub(crate) const VICTIMS_OWN: u64 = 200;
/// The job in the hands of a worker that died before.
pub(crate) const DEADS: u64 = 250;
pub(crate) const SLEEPERS: u64 = 300;
pub(crate) const AFTER: [u64; 3] = [400, 401, 402];
/// Messages that lead to where the scene begins; those that overwrite the ring before the
/// victim's operation, and after its death.
const ADVANCE: u64 = 500;
const OVERRUN: u64 = 600;
const GO_ON: u64 = 700;
/// Of a broadcast ring: more than it holds.
const LAP: u64 = 6;
const LAP_BYTES: usize = 1000;

/// A survivor that sleeps until the victim's operation wakes it.
#[derive(Debug)]
enum Sleeper {
    Receiver(JoinHandle<(Rx, Vec<u64>)>),
    Sender(JoinHandle<Tx>),
}

/// A process that is there to die before the victim does.
#[derive(Debug)]
struct Doomed(Pid);

impl Drop for Doomed {
    fn drop(&mut self) {
        kill_and_reap(self.0);
    }
}

/// The survivors and their segment.
#[derive(Debug)]
pub(crate) struct Stage {
    case: Case,
    tx: Option<Tx>,
    rx: Option<Rx>,
    doomed: Option<Doomed>,
    sleeper: Option<Sleeper>,
    /// What is in the ring and was committed for certain.
    before: Vec<u64>,
    /// What the survivors received.
    received: Vec<u64>,
    /// What was sent before the scene began.
    advance: Vec<u64>,
    watchers: Watchers,
    segment: Segment,
    pub(crate) name: Name,
}

impl Stage {
    /// Sets the scene.
    pub(crate) fn set(case: Case) -> Self {
        let name = Name::new();
        let segment = name.create(&case.config());
        let (mut tx, mut rx) = (Tx::join(&segment).unwrap(), Rx::join(&segment).unwrap());
        let watchers = Watchers::join(case, &segment);
        let advance = advance(case, &mut tx, &mut rx);
        // A process that dies before the victim takes the sole roles first; else the victim takes
        // them.
        let at_once = case.scene == Scene::Dead;
        let mut tx = (case.survivor_has(Role::Producer) || !at_once).then_some(tx);
        let rx = (case.survivor_has(Role::Consumer) || !at_once).then_some(rx);
        let doomed = case.has_dead().then(|| Doomed::start(case, &name));
        let mut before = Vec::new();
        if let Some(tx) = &mut tx {
            for (number, len) in (0..).zip(case.before()) {
                tx.send(&Item::of_len(number, len)).unwrap();
                before.push(number);
            }
        }
        let tx = tx.filter(|_| case.survivor_has(Role::Producer));
        let mut rx = rx.filter(|_| case.survivor_has(Role::Consumer));
        match case.op {
            Op::Leave(Role::Producer) => before.push(VICTIMS_OWN),
            Op::Leave(Role::Consumer) if case.kind != Kind::Broadcast => drop(before.remove(0)),
            _ => {}
        }
        rx.as_mut().into_iter().for_each(Rx::block);
        if case.kind == Kind::Jobs && case.has_dead() {
            before.push(DEADS);
        }
        let (sleeper, received) = (None, Vec::new());
        Self { case, tx, rx, doomed, sleeper, before, received, advance, watchers, segment, name }
    }

    /// When the victim is about to start: others die, or go to sleep.
    pub(crate) fn start(&mut self) {
        if let Some(doomed) = self.doomed.take() {
            drop(doomed);
            settle("the kernel tells of a death", || {
                let attached = self.segment.status().unwrap().attached;
                let told = attached.iter().any(|participant| !participant.alive);
                told.then_some(()).ok_or_else(|| format!("{attached:?}"))
            });
        }
        self.watchers.follow_before();
        match self.case.scene {
            Scene::Sleeper => {}
            Scene::Overrun => return self.overrun(),
            Scene::Evicted => {
                self.evict_victim();
                return self.overrun();
            }
            // A waker tries handles in the order in which they joined. This survivor comes after
            // the victim, which gets the wake, then.
            Scene::Beside => {
                let mut rx = Rx::join(&self.segment).unwrap();
                rx.block();
                self.rx = Some(rx);
            }
            _ => return,
        }
        let thread = Arc::new(AtomicI32::new(0));
        let announce = Arc::clone(&thread);
        // SAFETY: the call reads the thread's number and nothing else.
        let announce = move || announce.store(unsafe { libc::gettid() }, Ordering::Release);
        let sole = |role| !self.case.shares(role);
        let (sole_producer, sole_consumer) = (sole(Role::Producer), sole(Role::Consumer));
        let receives =
            self.case.op.role() == Some(Role::Producer) || self.case.scene == Scene::Beside;
        self.sleeper = Some(if receives {
            let mut rx = self.rx.take().unwrap();
            Sleeper::Receiver(thread::spawn(move || {
                announce();
                let received = receive_all(&mut rx, sole_producer);
                (rx, received)
            }))
        } else {
            let mut tx = self.tx.take().unwrap();
            tx.block();
            Sleeper::Sender(thread::spawn(move || {
                announce();
                send_one(&mut tx, sole_consumer);
                tx
            }))
        });
        settle("a survivor goes to sleep", || {
            let number = thread.load(Ordering::Acquire);
            let asleep = number != 0 && sleeps(&format!("/proc/self/task/{number}"));
            asleep.then_some(()).ok_or_else(|| "it does not".to_owned())
        });
    }

    /// Overwrites what the victim finds.
    fn overrun(&mut self) {
        let rx = self.rx.as_mut().unwrap();
        self.received.extend(std::iter::from_fn(|| rx.try_recv().ok()));
        let passed = self.pass(OVERRUN);
        self.before.extend(passed.clone());
        self.received.extend(passed);
    }

    /// Sends a lap of messages, for none of which there must be anything to wait.
    fn pass(&mut self, first: u64) -> std::ops::Range<u64> {
        let (tx, rx) = (self.tx.as_mut().unwrap(), self.rx.as_mut().unwrap());
        let numbers = first..first + LAP;
        for number in numbers.clone() {
            assert_eq!(tx.try_send(&Item::of_len(number, LAP_BYTES)), Ok(()), "message {number}");
            assert_eq!(rx.try_recv(), Ok(number));
        }
        numbers
    }

    fn evict_victim(&self) {
        let status = self.segment.status().unwrap();
        let mut holders = status.ring().holders_of(Role::Consumer);
        let victim = holders.find(|holder| holder.participant.pid != std::process::id());
        self.segment.evict(victim.expect("a victim that subscribes")).unwrap();
    }

    /// When the victim sleeps: does what it waits for, if that is not just time.
    pub(crate) fn wake_victim(&mut self) {
        if !matches!(self.case.scene, Scene::Asleep | Scene::Beside) {
            return;
        }
        if self.case.op.role() == Some(Role::Producer) {
            self.received.push(self.rx.as_mut().unwrap().try_recv().unwrap());
        } else {
            // More than one where the survivor was faster, and the victim sleeps again.
            let number = DOUBT + self.before.len() as u64;
            self.tx.as_mut().unwrap().try_send(&Item::new(number)).unwrap();
            self.before.push(number);
        }
    }

    /// After the victim's death: goes on, and returns how many of the messages that were
    /// in its hands it had sent, or taken.
    pub(crate) fn survive(mut self) -> usize {
        self.watchers.follow();
        self.exchange();
        let done = self.settle_ledger();
        if self.case.holds_nobody_up() {
            let passed = self.pass(GO_ON);
            self.received.extend(passed);
        }
        let sent: Vec<_> = self.advance.iter().chain(&self.received).copied().collect();
        self.watchers.check(&sent, &self.segment.status().unwrap());
        self.check_tables();
        self.check_ends();
        done
    }

    fn exchange(&mut self) {
        let Self { tx, rx, segment, received, sleeper, .. } = self;
        let sleeper = sleeper.take();
        if let Some(Sleeper::Sender(_)) = sleeper {
            let rx = rx.get_or_insert_with(|| join("a consumer", || Rx::join(segment)));
            // It was woken, or is now.
            while received.last() != Some(&SLEEPERS) {
                received.push(rx.recv_timeout(LONG).expect("a survivor sends"));
            }
        }
        if let Some(Sleeper::Sender(sender)) = sleeper {
            *tx = Some(sender.join().unwrap());
        } else if let Some(Sleeper::Receiver(receiver)) = sleeper {
            if self.case.scene == Scene::Beside {
                settle("no message stays beside a sleeper", || {
                    let ring = segment.status().unwrap().ring().clone();
                    if ring.used_bytes == 0 { Ok(()) } else { Err(format!("{ring:?}")) }
                });
            }
            let tx = tx.get_or_insert_with(|| join("a producer", || Tx::join(segment)));
            AFTER.iter().for_each(|&number| tx.send(&Item::new(number)).unwrap());
            let (receiver, all) = receiver.join().unwrap();
            received.extend(all);
            *rx = Some(receiver);
            return;
        }
        let tx = tx.get_or_insert_with(|| join("a producer", || Tx::join(segment)));
        let rx = rx.get_or_insert_with(|| join("a consumer", || Rx::join(segment)));
        for item in AFTER.map(Item::new) {
            while let Err(error) = tx.try_send(&item) {
                assert_eq!(error, TrySendError::Full);
                match rx.recv_timeout(SHORT) {
                    Ok(number) => received.push(number),
                    // Nothing but tickets of the dead, or the place of a dead subscriber.
                    Err(error) => {
                        assert!(!self.case.holds_nobody_up(), "the dead hold the producer up");
                        assert_eq!(error, RecvTimeoutError::TimedOut);
                    }
                }
            }
        }
        while received.last() != AFTER.last() {
            received.push(rx.recv_timeout(LONG).expect("a survivor sent"));
        }
        if self.case.kind == Kind::Jobs {
            self.finish_jobs();
        }
    }

    /// Takes the jobs that come back from the dead. They come before or after those sent last.
    fn finish_jobs(&mut self) {
        let rx = self.rx.as_mut().unwrap();
        settle("every job is done", || match rx.recv_timeout(SHORT) {
            Ok(number) => {
                self.received.push(number);
                Err(format!("{:?}", self.received))
            }
            Err(_) if rx.try_recv() == Err(TryRecvError::Empty) => Ok(()),
            Err(error) => Err(format!("{error} after {:?}", self.received)),
        });
        self.received.sort_unstable();
    }

    fn settle_ledger(&mut self) -> usize {
        let (sends, takes) = (self.case.op.sends(), self.case.takes());
        let expected = |done: usize| {
            let (sent, taken) = (done.min(sends) as u64, done.min(takes));
            let mut all = self.before.clone();
            // A survivor that sleeps beside the victim may have taken those before.
            let first =
                if self.case.scene == Scene::Beside { all.len().checked_sub(taken)? } else { 0 };
            if all.len() < taken {
                return None;
            }
            all.drain(first..first + taken);
            all.extend(DOUBT..DOUBT + sent);
            if self.case.scene == Scene::Sleeper && self.case.op.takes() > 0 {
                all.push(SLEEPERS);
            }
            all.extend(AFTER);
            if self.case.kind == Kind::Jobs {
                all.sort_unstable();
            }
            Some(all)
        };
        let mut possible = (0..=sends + takes).filter(|&done| self.case.may_do(done));
        let done = possible.find(|&done| expected(done).as_ref() == Some(&self.received));
        let rx = self.rx.as_mut().unwrap();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "after {:?}", self.received);
        done.unwrap_or_else(|| {
            panic!("of {:?} and what the victim sent, came {:?}", self.before, self.received)
        })
    }

    /// Checks that the tables hold nothing of the dead after a reap.
    fn check_tables(&mut self) {
        let attaches = self.case.attaches();
        settle("the tables are clean", || {
            let more = (1..attaches).map(|_| Segment::attach(&self.name));
            let more = more.collect::<Result<Vec<_>, _>>();
            let _more = more.map_err(|error| match error {
                AttachError::TableFull { .. } => error.to_string(),
                error => panic!("{error}"),
            })?;
            let status = self.segment.status().unwrap();
            let all_alive = status
                .attached
                .iter()
                .all(|participant| participant.alive && participant.pid == std::process::id());
            let holders = (status.ring().producers.len(), status.ring().consumers.len());
            let clean = all_alive && status.attached.len() == attaches && holders == (1, 1);
            if clean { Ok(()) } else { Err(format!("{status:?}")) }
        });
        let mut handles = 2;
        if self.case.shares(Role::Producer) {
            handles +=
                std::iter::from_fn(|| Tx::join(&self.segment).ok()).collect::<Vec<_>>().len();
        } else if self.case.shares(Role::Consumer) {
            handles +=
                std::iter::from_fn(|| Rx::join(&self.segment).ok()).collect::<Vec<_>>().len();
        }
        assert_eq!(handles, self.case.handles(), "handles that can be had");
    }

    /// The last consumer's going breaks the pipe, and the last producer's ends the stream:
    /// no role is left to the dead.
    fn check_ends(self) {
        let (Some(mut tx), Some(rx)) = (self.tx, self.rx) else {
            unreachable!("the survivors have both roles by now");
        };
        drop(rx);
        assert_eq!(tx.try_send(&Item::new(0)), Err(TrySendError::BrokenPipe));
        let mut rx = Rx::join(&self.segment).unwrap();
        drop(tx);
        assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
    }
}

/// Moves the ring to where the scene begins. Returns the messages that were sent for that.
fn advance(case: Case, tx: &mut Tx, rx: &mut Rx) -> Vec<u64> {
    let mut lens = vec![crate::ends::ITEM_BYTES; case.advance()];
    if case.kind == Kind::Spsc && case.advance() > 0 {
        // Two records, each with a header of 8 bytes.
        let first = case.advance() / 16 * 8;
        lens = vec![first - 8, case.advance() - first - 8];
    }
    if case.kind == Kind::Broadcast && case.advance() > 0 {
        lens = vec![1016, 1016, 1016, case.advance() - 3 * 1024 - 8];
    }
    let send = |(number, len)| {
        tx.send(&Item::of_len(number, len)).unwrap();
        assert_eq!(rx.recv_timeout(LONG), Ok(number));
        number
    };
    (ADVANCE..).zip(lens).map(send).collect()
}

impl Doomed {
    /// Starts a process that takes something, and returns when it stops with it.
    fn start(case: Case, name: &str) -> Self {
        let doomed = Self(fork_part(|| play_dead(case, name)));
        let status = waitpid(doomed.0, Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(matches!(status, WaitStatus::Stopped(_, Signal::SIGSTOP)), "{status:?}");
        doomed
    }
}
