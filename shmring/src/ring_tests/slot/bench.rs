//! A slot ring beside its oracle: each step is done to both, and then they are compared.

use super::oracle::{Found, Oracle, State};
use super::{
    Consumer, Extent, Look, Many, Memory, Producer, RELAXED, Resolved, announcement, message, part,
    payload, resolve,
};
use crate::ring::membership::release_handle;
use crate::ring::tables::claim_handle;

/// What a message in one slot can have.
const PAYLOAD_WORDS: u64 = 2;
pub(super) const MAX_LEN: u64 = 8 * PAYLOAD_WORDS;
const SENDERS: usize = 3;
const RECEIVERS: usize = 2;

/// One operation of one handle. Senders and receivers that are not there are those of
/// the index modulo how many there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Claim {
        sender: usize,
        count: u64,
    },
    Publish {
        sender: usize,
        len: u64,
    },
    /// Publishes a message in space for all open tickets, or for the longest message.
    PublishShorter {
        sender: usize,
        len: u64,
    },
    Abandon {
        sender: usize,
    },
    Die {
        sender: usize,
    },
    /// Dies in a message that takes all open tickets, or as many as the longest message, after it
    /// stored so many stamps of parts.
    DieInside {
        sender: usize,
        stores: u64,
    },
    Replace {
        sender: usize,
    },
    Look {
        receiver: usize,
        count: usize,
    },
    Take {
        receiver: usize,
        count: usize,
    },
    Resolve {
        ahead: u64,
    },
    NewReceiver {
        receiver: usize,
    },
}

struct Sender {
    producer: Producer,
    /// The open tickets: from the one to the other.
    next: u64,
    end: u64,
    /// The tickets that its handle announces: the first, and how many.
    announced: (u64, u64),
    alive: bool,
}

struct Receiver {
    consumer: Consumer,
    /// Head when it last looked or took.
    head: u64,
    /// The ends of the messages that it looked at and did not take.
    seen: Vec<u64>,
}

pub(super) struct Bench {
    memory: Memory,
    senders: Vec<Sender>,
    receivers: Vec<Receiver>,
    oracle: Oracle,
}

fn attach_of(sender: usize) -> usize {
    10 + sender
}

impl Bench {
    pub(super) fn new(many: Many, slots: u64, start: u64, aged: bool) -> Self {
        let memory = Memory::new(many, slots, PAYLOAD_WORDS, start).spanning();
        let memory = if aged { memory.aged() } else { memory };
        let count = |many, count| if many { count } else { 1 };
        let senders = (0..count(many.producers, SENDERS)).map(|sender| {
            assert_eq!(claim_handle(&memory.handles, attach_of(sender), 0), Some(sender));
            Sender {
                producer: memory.producer(),
                next: start,
                end: start,
                announced: (0, 0),
                alive: true,
            }
        });
        let senders = senders.collect();
        let receivers = (0..count(many.consumers, RECEIVERS)).map(|_| Receiver {
            consumer: memory.consumer(),
            head: start,
            seen: Vec::new(),
        });
        let receivers = receivers.collect();
        let bench = Self { memory, senders, receivers, oracle: Oracle::new(many, slots, start) };
        bench.check();
        bench
    }

    /// Does a step; `false` if it makes no sense now.
    pub(super) fn step(&mut self, step: Step) -> bool {
        let (senders, receivers) = (self.senders.len(), self.receivers.len());
        let done = match step {
            Step::Claim { sender, count } => self.claim(sender % senders, count),
            Step::Publish { sender, len } => self.publish(sender % senders, len),
            Step::PublishShorter { sender, len } => self.publish_shorter(sender % senders, len),
            Step::Abandon { sender } => self.abandon(sender % senders),
            Step::Die { sender } => self.die(sender % senders),
            Step::DieInside { sender, stores } => self.die_inside(sender % senders, stores),
            Step::Replace { sender } => self.replace(sender % senders),
            Step::Look { receiver, count } => self.look(receiver % receivers, count),
            Step::Take { receiver, count } => self.take(receiver % receivers, count),
            Step::Resolve { ahead } => self.resolve(ahead),
            Step::NewReceiver { receiver } => {
                let receiver = &mut self.receivers[receiver % receivers];
                receiver.consumer = self.memory.consumer();
                receiver.head = self.oracle.head;
                receiver.seen.clear();
                true
            }
        };
        self.check();
        done
    }

    fn claim(&mut self, index: usize, count: u64) -> bool {
        let sender = &mut self.senders[index];
        if sender.next != sender.end || !sender.alive {
            return false;
        }
        let ring = self.memory.ring();
        let found = sender.producer.claim(ring, self.memory.intent(index), count);
        let expected = self.oracle.claim(index, count);
        assert_eq!(found.err(), expected.err(), "claim of {count}");
        if let Ok(first) = expected {
            (sender.next, sender.end) = (first, first.wrapping_add(count));
            sender.announced = (first, count);
        }
        true
    }

    fn publish(&mut self, index: usize, len: u64) -> bool {
        let sender = &mut self.senders[index];
        if sender.next == sender.end || !sender.alive {
            return false;
        }
        let room = sender.end.wrapping_sub(sender.next) * MAX_LEN;
        let len = len.min(room).min(self.memory.ring().max_len());
        let extent = if len <= MAX_LEN {
            Extent::Whole(self.memory.fill(&mut sender.producer, len))
        } else {
            self.memory.fill_parts(&mut sender.producer, len)
        };
        assert_eq!(extent.start(), sender.next);
        self.oracle.publish(extent.start(), extent.end(), payload(sender.next, len));
        sender.next = extent.end();
        true
    }

    fn publish_shorter(&mut self, index: usize, len: u64) -> bool {
        let sender = &mut self.senders[index];
        if sender.next == sender.end || !sender.alive {
            return false;
        }
        let ring = self.memory.ring();
        let space = ring.spanning(sender.next, sender.end.wrapping_sub(sender.next) * MAX_LEN);
        let len = len.min(space.len);
        let end = sender.next.wrapping_add(self.memory.slots_of(len));
        self.memory.write_parts(ring.spanning(sender.next, len));
        sender.producer.publish_parts(ring, space, len);
        self.oracle.publish(sender.next, end, payload(sender.next, len));
        if self.oracle.many.producers {
            let unused = space.end.wrapping_sub(end);
            (0..unused).for_each(|i| self.oracle.set(end.wrapping_add(i), State::Tombstone));
            sender.next = space.end;
        } else {
            (sender.next, sender.end) = (end, end);
        }
        true
    }

    fn abandon(&mut self, index: usize) -> bool {
        let sender = &mut self.senders[index];
        if !sender.alive {
            return false;
        }
        let open = sender.next != sender.end;
        let told = sender.producer.abandon(self.memory.ring());
        assert_eq!(told, open && self.oracle.many.producers);
        while self.oracle.many.producers && sender.next != sender.end {
            self.oracle.set(sender.next, State::Tombstone);
            sender.next = sender.next.wrapping_add(1);
        }
        sender.end = sender.next;
        open
    }

    fn die(&mut self, index: usize) -> bool {
        std::mem::replace(&mut self.senders[index].alive, false)
    }

    fn die_inside(&mut self, index: usize, stores: u64) -> bool {
        let sender = &mut self.senders[index];
        if sender.next == sender.end || !sender.alive {
            return false;
        }
        let ring = self.memory.ring();
        let space = ring.spanning(sender.next, sender.end.wrapping_sub(sender.next) * MAX_LEN);
        self.memory.write_parts(space);
        let parts = space.end.wrapping_sub(space.start) - 1;
        for stored in 1..=stores.min(parts) {
            let position = space.end.wrapping_sub(stored);
            self.memory.stamp(position).store(part(position), RELAXED);
            if self.oracle.many.producers {
                self.oracle.set(position, State::Part);
            }
        }
        sender.alive = false;
        true
    }

    /// Someone cleans up after a dead sender, and another one takes its place.
    fn replace(&mut self, index: usize) -> bool {
        if self.senders[index].alive {
            return false;
        }
        release_handle(&*self.memory.control, &self.memory.handles, index);
        assert_eq!(claim_handle(&self.memory.handles, attach_of(index), 0), Some(index));
        self.oracle.orphan(index);
        let producer = self.memory.producer();
        let next = if self.oracle.many.producers { self.oracle.head } else { self.oracle.tail() };
        assert_eq!(producer.published(), next);
        self.senders[index] = Sender { producer, next, end: next, announced: (0, 0), alive: true };
        true
    }

    /// Looks at up to `count` messages, compares them, and takes none.
    fn look(&mut self, index: usize, count: usize) -> bool {
        let (ring, receiver) = (self.memory.ring(), &mut self.receivers[index]);
        let look = receiver.consumer.look(ring).unwrap();
        let (skipped, found) = self.oracle.look();
        assert_eq!(receiver.consumer.take_skipped(), skipped > 0);
        assert!(!receiver.consumer.take_skipped(), "told twice");
        receiver.head = self.oracle.head;
        receiver.seen.clear();
        match (look, found) {
            (Look::Message(_) | Look::Spanning(_), Found::Message(position, bytes)) => {
                let found = message(look).unwrap();
                assert_eq!((found.start(), self.memory.read_extent(found)), (position, bytes));
                receiver.seen.push(found.end());
            }
            (Look::Empty, Found::Empty) => return true,
            (Look::InFlight { position }, Found::InFlight(expected)) => {
                assert_eq!(position, expected);
                return true;
            }
            (look, found) => panic!("found {look:?}, expected {found:?}"),
        }
        while receiver.seen.len() < count {
            let from = *receiver.seen.last().unwrap();
            let next = receiver.consumer.look_ahead(ring, from).unwrap();
            let found = next.map(|next| (next.start(), self.memory.read_extent(next)));
            assert_eq!(found, self.oracle.look_ahead(from), "from {from:#x}");
            let Some(next) = next else { break };
            receiver.seen.push(next.end());
        }
        true
    }

    /// Takes the first `count` of the messages that were looked at.
    fn take(&mut self, index: usize, count: usize) -> bool {
        let receiver = &mut self.receivers[index];
        let count = count.min(receiver.seen.len());
        if count == 0 {
            return false;
        }
        let end = receiver.seen[count - 1];
        let taken = receiver.consumer.take(self.memory.ring(), end, count as u64);
        assert_eq!(taken, receiver.head == self.oracle.head, "taken though it was another's");
        if taken {
            self.oracle.take_batch(end, count as u64);
            receiver.head = end;
        }
        receiver.seen.clear();
        true
    }

    /// Asks what became of a position, from the one before head on.
    fn resolve(&mut self, ahead: u64) -> bool {
        if !self.oracle.many.producers {
            return false;
        }
        let position = self.oracle.head.wrapping_sub(1).wrapping_add(ahead);
        let alive = |attach: usize| self.senders[attach - attach_of(0)].alive;
        let found = resolve(self.memory.ring(), 0, &self.memory.handles, position, alive).unwrap();
        let announced = self.senders.iter().position(|sender| {
            sender.alive && position.wrapping_sub(sender.announced.0) < sender.announced.1
        });
        let expected = match (self.oracle.at(position), announced) {
            _ if ahead > self.oracle.used() => Resolved::Unclaimed,
            (_, Some(sender)) => Resolved::Announced { attach: attach_of(sender) },
            (Some(State::Claimed { .. }), None) if ahead == 1 => Resolved::Closed,
            // A consumer asks for head only; behind it, nothing is closed.
            _ => Resolved::Settled,
        };
        assert_eq!(found, expected, "{position:#x}");
        if found == Resolved::Closed {
            self.oracle.set(position, State::Tombstone);
            self.oracle.closed += 1;
        }
        true
    }

    /// I1, the announcements, the hints, and what an observer sees.
    fn check(&self) {
        let (ring, memory, oracle) = (self.memory.ring(), &self.memory, &self.oracle);
        let (used, slots) = (oracle.used(), oracle.slots);
        assert!(used <= slots, "I1");
        assert_eq!((memory.head(), memory.tail()), (oracle.head, oracle.tail()));
        let roles = &memory.control.roles;
        assert_eq!(roles.resolved(), oracle.closed);
        assert_eq!(memory.passed(), (oracle.passed, oracle.parts));
        let passed = oracle.passed + oracle.parts;
        assert_eq!(ring.observe(), (used, oracle.head.wrapping_sub(passed)));
        assert_eq!(ring.messages(), oracle.messages());
        assert_eq!(ring.room(), (used < slots, oracle.head));
        assert!(ring.has_room(oracle.head) && !ring.has_room(oracle.head.wrapping_add(1)));
        for (index, sender) in self.senders.iter().enumerate() {
            assert_eq!(sender.producer.has_open(), sender.next != sender.end);
            if sender.next != sender.end || !oracle.many.producers {
                assert_eq!(sender.producer.published(), sender.next);
            }
            let (first, count) = sender.announced;
            let announced = oracle.many.producers && count > 0;
            let expected = if announced { announcement(first, count) } else { 0 };
            assert_eq!(memory.intent(index).load(RELAXED), expected, "sender {index}");
        }
        for receiver in &self.receivers {
            assert_eq!(receiver.consumer.head(), receiver.head);
            assert_eq!(receiver.consumer.is_current(ring), receiver.head == oracle.head);
            let waits = oracle.queue.front().is_some_and(|state| !state.is_claimed());
            let next = oracle.head.wrapping_add(1);
            assert_eq!(receiver.consumer.has_message(ring), (waits, next));
        }
    }
}
