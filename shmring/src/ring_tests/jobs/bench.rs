//! A job ring beside its oracle: each step is done to both, and then they are compared.

use super::oracle::{Oracle, State};
use super::{Memory, Producer, Worker, payload};
use crate::ring::jobs::{HANDS, Take, Taken};
use crate::ring::membership::{free_handles, reap_attachment, release_handle};
use crate::ring::slot::{Resolved, resolve};
use crate::ring::tables::claim_handle;

pub(super) const SENDERS: usize = 2;
pub(super) const WORKERS: usize = 3;

/// One operation. `which` chooses among the jobs in hand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Claim { sender: usize, len: u64 },
    Publish { sender: usize },
    Abandon { sender: usize },
    DieSending { sender: usize },
    Resolve,
    Take { worker: usize },
    Acknowledge { worker: usize, which: usize },
    GiveBack { worker: usize, which: usize },
    Die { worker: usize, reapers: usize },
    Leave { worker: usize },
}

struct Sender {
    producer: Producer,
    handle: usize,
    attach: usize,
    /// The open tickets: the first, how many, and the bytes of the job.
    open: Option<(u64, u64, u64)>,
}

struct Party {
    worker: Worker,
    handle: usize,
    attach: usize,
    in_hand: Vec<Taken>,
}

pub(super) struct Bench {
    memory: Memory,
    senders: Vec<Sender>,
    workers: Vec<Party>,
    /// Attachments so far; those of the dead are below, unless they are in use.
    attaches: usize,
    oracle: Oracle,
}

impl Bench {
    pub(super) fn new(slots: u64, start: u64, aged: bool) -> Self {
        let memory = Memory::new(slots, start);
        let memory = if aged { memory.aged() } else { memory };
        let oracle = Oracle::new(slots, start);
        let (senders, workers) = (Vec::new(), Vec::new());
        let mut bench = Self { memory, senders, workers, attaches: 0, oracle };
        for _ in 0..SENDERS {
            let sender = bench.sender();
            bench.senders.push(sender);
        }
        for _ in 0..WORKERS {
            let worker = bench.worker();
            bench.workers.push(worker);
        }
        bench.check();
        bench
    }

    fn attach(&mut self) -> (usize, usize) {
        self.attaches += 1;
        let handle = claim_handle(&self.memory.handles, self.attaches, 0).expect("one is free");
        (self.attaches, handle)
    }

    fn sender(&mut self) -> Sender {
        let (attach, handle) = self.attach();
        Sender { producer: self.memory.producer(), handle, attach, open: None }
    }

    fn worker(&mut self) -> Party {
        let (attach, handle) = self.attach();
        Party { worker: self.memory.worker(handle), handle, attach, in_hand: Vec::new() }
    }

    /// Does a step; `false` if it makes no sense now.
    pub(super) fn step(&mut self, step: Step) -> bool {
        let done = match step {
            Step::Claim { sender, len } => self.claim(sender, len),
            Step::Publish { sender } => self.publish(sender),
            Step::Abandon { sender } => self.abandon(sender),
            Step::DieSending { sender } => self.die_sending(sender),
            Step::Resolve => self.resolve(),
            Step::Take { worker } => self.take(worker),
            Step::Acknowledge { worker, which } => self.acknowledge(worker, which),
            Step::GiveBack { worker, which } => self.give_back(worker, which),
            Step::Die { worker, reapers } => self.die(worker, reapers),
            Step::Leave { worker } => self.leave(worker),
        };
        self.check();
        done
    }

    fn claim(&mut self, index: usize, len: u64) -> bool {
        let ring = self.memory.slot_ring();
        let sender = &mut self.senders[index];
        let len = len.min(ring.max_len());
        if sender.open.is_some() {
            return false;
        }
        let count = ring.slots_of(len);
        self.memory.ring().advance();
        let intent = &self.memory.handles[sender.handle].own.intent;
        let found = sender.producer.claim(ring, intent, count);
        let first = self.oracle.claim(count);
        assert_eq!(found.is_ok(), first.is_some(), "{found:?}");
        sender.open = first.map(|first| (first, count, len));
        true
    }

    fn publish(&mut self, index: usize) -> bool {
        let sender = &mut self.senders[index];
        let Some((first, count, len)) = sender.open.take() else { return false };
        self.memory.publish(&mut sender.producer, len);
        self.oracle.publish(first, count, len);
        true
    }

    fn close(&mut self, first: u64, count: u64) {
        for ahead in 0..count {
            self.oracle.at(first.wrapping_add(ahead)).state = State::Tombstone;
        }
    }

    fn abandon(&mut self, index: usize) -> bool {
        let sender = &mut self.senders[index];
        let Some((first, count, _)) = sender.open.take() else { return false };
        assert!(sender.producer.abandon(self.memory.slot_ring()));
        self.close(first, count);
        true
    }

    fn die_sending(&mut self, index: usize) -> bool {
        let attach = self.senders[index].attach;
        reap_attachment(|_| Some(self.memory.held()), &self.memory.handles, attach);
        free_handles(&self.memory.control, &self.memory.handles, attach);
        self.senders[index] = self.sender();
        true
    }

    /// Closes the first open ticket if its owner is dead.
    fn resolve(&mut self) -> bool {
        let Some(position) = self.oracle.first_open() else { return false };
        let owner = self.senders.iter().find(|sender| {
            sender.open.is_some_and(|(first, count, _)| position.wrapping_sub(first) < count)
        });
        let owner = owner.map(|owner| owner.attach);
        let (ring, handles) = (self.memory.slot_ring(), &self.memory.handles);
        let resolved = resolve(ring, 0, handles, position, |_| true).unwrap();
        let expected = owner.map_or(Resolved::Closed, |attach| Resolved::Announced { attach });
        assert_eq!(resolved, expected);
        if owner.is_none() {
            self.close(position, 1);
        }
        true
    }

    fn take(&mut self, index: usize) -> bool {
        let memory = &self.memory;
        let party = &mut self.workers[index];
        let own = &memory.handles[party.handle].own;
        let found = match party.worker.take_fast(memory.ring(), own) {
            Some(place) => Take::Job(crate::ring::Extent::Whole(place)),
            None => party.worker.take(memory.ring(), own).unwrap(),
        };
        if party.in_hand.len() == HANDS {
            assert_eq!(found, Take::HandsFull);
            return false;
        }
        let open = self.oracle.first_open();
        let Some(entry) = self.oracle.next() else {
            self.oracle.advance();
            let expected = match open {
                Some(position) => Take::InFlight { position },
                None if self.oracle.entries.is_empty() => Take::Empty,
                None => Take::Held,
            };
            assert_eq!(found, expected);
            return false;
        };
        let State::Free { len } = entry.state else { panic!("{entry:?}") };
        entry.attempts += 1;
        entry.state = State::Held { len, worker: index };
        let Take::Job(extent) = found else { panic!("{found:?} instead of {entry:?}") };
        let taken = party.worker.taken();
        assert_eq!((taken.position, taken.attempts), (entry.position, entry.attempts));
        assert_eq!(extent.start(), entry.position);
        assert_eq!(memory.read(extent), payload(entry.position, len));
        assert!(party.in_hand.iter().all(|other| other.hand != taken.hand));
        party.in_hand.push(taken);
        true
    }

    fn one_in_hand(&mut self, index: usize, which: usize) -> Option<Taken> {
        let in_hand = &mut self.workers[index].in_hand;
        (!in_hand.is_empty()).then(|| in_hand.remove(which % in_hand.len()))
    }

    fn acknowledge(&mut self, index: usize, which: usize) -> bool {
        let Some(job) = self.one_in_hand(index, which) else { return false };
        self.workers[index].worker.acknowledge(self.memory.ring(), job);
        self.oracle.at(job.position).state = State::Done;
        true
    }

    fn give_back(&mut self, index: usize, which: usize) -> bool {
        let Some(job) = self.one_in_hand(index, which) else { return false };
        self.workers[index].worker.give_back(self.memory.ring(), job);
        let entry = self.oracle.at(job.position);
        let State::Held { len, .. } = entry.state else { panic!("{entry:?}") };
        entry.state = State::Free { len };
        true
    }

    fn die(&mut self, index: usize, reapers: usize) -> bool {
        let attach = self.workers[index].attach;
        for _ in 0..reapers {
            reap_attachment(|_| Some(self.memory.held()), &self.memory.handles, attach);
        }
        free_handles(&self.memory.control, &self.memory.handles, attach);
        self.oracle.return_all(index);
        self.workers[index] = self.worker();
        true
    }

    fn leave(&mut self, index: usize) -> bool {
        let handle = self.workers[index].handle;
        release_handle(self.memory.held(), &self.memory.handles, handle);
        self.oracle.return_all(index);
        self.workers[index] = self.worker();
        true
    }

    fn check(&mut self) {
        let ring = self.memory.ring();
        let front = ring.front();
        assert_eq!(front.0, self.oracle.next().is_some());
        if !front.0 {
            assert_eq!(front.1, self.oracle.first_open());
        }
        self.oracle.advance();
        assert_eq!(ring.pending(), self.oracle.pending());
        assert_eq!(ring.advance(), self.oracle.head);
        assert_eq!(ring.is_finished(), self.oracle.entries.is_empty());
        for party in &self.workers {
            assert_eq!(party.worker.in_hand() as usize, party.in_hand.len());
        }
    }
}
