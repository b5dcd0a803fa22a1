//! A ring in ordinary memory, and parties that use it as the handles of
//! `shmring` do, with a ghost beside every payload word.
//!
//! A ghost is a loom cell without contents: written when its word is granted to
//! the producer, read when the word's payload is read. Two accesses that no
//! ordering keeps apart are a data race that loom reports, which the relaxed
//! accesses to the words themselves would hide (I3, I4).

use std::rc::Rc;

use loom::cell::UnsafeCell;
use loom::thread::yield_now;

use crate::ring::record::{self, Place, Refused};
use crate::ring::roster::{self, Role, Roles};
use crate::ring::tables::{self, Handle, HandleOwn};
use crate::ring::wake::{self, MAX_SLEEPERS, Sleepers};
use crate::ring::{ConsumerLine, Control, ProducerLine, WORD_BYTES, Words};
use crate::sync::{AtomicU32, AtomicU64, Deadline, Ordering, WaitWord, prepare_fences};

/// The smallest ring whose longest message has two words.
pub(crate) const CAPACITY_BYTES: u64 = 64;
const CAPACITY_WORDS: usize = (CAPACITY_BYTES / WORD_BYTES) as usize;
const HANDLES: usize = 3;
const ATTACHES: usize = 3;

/// Everything that is shared.
pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) handles: Vec<Handle>,
    words: Vec<AtomicU64>,
    ghosts: Vec<UnsafeCell<()>>,
    /// Stands for the tokens: not 0 once the attach's is free.
    dead: Vec<AtomicU64>,
}

impl World {
    /// An empty ring that begins at position `start`, and free handles.
    pub(crate) fn new(start: u64) -> Rc<Self> {
        prepare_fences();
        let dead = (0..ATTACHES).map(|_| AtomicU64::new(0)).collect();
        Rc::new(Self {
            control: control(start),
            handles: (0..HANDLES).map(|_| handle()).collect(),
            words: (0..CAPACITY_WORDS).map(|_| AtomicU64::new(0)).collect(),
            ghosts: (0..CAPACITY_WORDS).map(|_| UnsafeCell::new(())).collect(),
            dead,
        })
    }

    pub(crate) fn ring(&self) -> record::Ring<'_> {
        record::Ring::new(&self.control, Words::new(&self.words))
    }

    pub(crate) fn roles(&self) -> &Roles {
        &self.control.roles
    }

    /// Claims a handle for `attach`, and `role` for it; `None` if the role is held.
    fn join(&self, role: Role, attach: usize) -> Option<usize> {
        let handle = tables::claim_handle(&self.handles, attach).expect("a handle is free");
        if self.roles().claim(role, handle) {
            return Some(handle);
        }
        self.leave(handle);
        None
    }

    /// The producer's side, from where the predecessor left it, unless the role
    /// is held.
    pub(crate) fn try_sender(self: &Rc<Self>, attach: usize) -> Option<Sender> {
        let handle = self.join(Role::Producer, attach)?;
        let side = record::Producer::take_over(self.ring()).expect("not corrupt");
        Some(Sender { world: Rc::clone(self), side, handle })
    }

    /// The consumer's side, from where the predecessor left it, unless the role
    /// is held.
    pub(crate) fn try_receiver(self: &Rc<Self>, attach: usize) -> Option<Receiver> {
        let handle = self.join(Role::Consumer, attach)?;
        let side = record::Consumer::take_over(self.ring()).expect("not corrupt");
        let past_producers = self.control.consumer.ends_told();
        Some(Receiver { world: Rc::clone(self), side, past_producers, handle })
    }

    /// The producer's side, of a role that is vacant.
    pub(crate) fn sender(self: &Rc<Self>, attach: usize) -> Sender {
        self.try_sender(attach).expect("the role is vacant")
    }

    /// The consumer's side, of a role that is vacant.
    pub(crate) fn receiver(self: &Rc<Self>, attach: usize) -> Receiver {
        self.try_receiver(attach).expect("the role is vacant")
    }

    /// Gives up a handle and its role.
    pub(crate) fn leave(&self, handle: usize) {
        roster::release_handle(&self.control, &self.handles, handle);
    }

    /// Wakes all who sleep on either side.
    pub(crate) fn wake_all(&self) {
        for side in self.sleepers() {
            wake::notify_all(side, &self.handles);
        }
    }

    /// Cleans a dead attach up.
    pub(crate) fn clean(&self, attach: usize) {
        roster::clean_attach(&self.control, &self.handles, attach);
        self.wake_all();
    }

    fn sleepers(&self) -> [&Sleepers; 2] {
        [&self.control.receivers, &self.control.senders]
    }

    /// What the kernel does when a process dies: its token becomes free.
    pub(crate) fn mark_dead(&self, attach: usize) {
        self.dead[attach].store(1, Ordering::Release);
    }

    /// Whether an attach's token is free. Whoever sees it sees all that the dead did.
    pub(crate) fn is_dead(&self, attach: usize) -> bool {
        self.dead[attach].load(Ordering::Acquire) != 0
    }

    fn index(offset: u64) -> usize {
        (offset / WORD_BYTES) as usize % CAPACITY_WORDS
    }

    /// The producer may overwrite the `words` words from `offset` on.
    fn granted(&self, offset: u64, words: u64) {
        for word in 0..words {
            self.ghosts[Self::index(offset + word * WORD_BYTES)].with_mut(|_| ());
        }
    }
}

fn sleepers() -> Sleepers {
    Sleepers { bits: [(); MAX_SLEEPERS / 64].map(|()| AtomicU64::new(0)) }
}

fn control(start: u64) -> Control {
    Control {
        producer: ProducerLine { tail_hint: AtomicU64::new(start) },
        consumer: ConsumerLine {
            head: AtomicU64::new(start),
            messages: AtomicU64::new(0),
            ends_told: AtomicU64::new(0),
        },
        receivers: sleepers(),
        senders: sleepers(),
        roles: Roles {
            flags: AtomicU64::new(0),
            producer: AtomicU64::new(0),
            consumer: AtomicU64::new(0),
            repairs: AtomicU64::new(0),
        },
    }
}

fn handle() -> Handle {
    Handle {
        own: HandleOwn { intent: AtomicU64::new(0), cursor: AtomicU64::new(0) },
        park: WaitWord::new(0),
        reserved: AtomicU32::new(0),
        state: AtomicU64::new(0),
        need: AtomicU64::new(0),
    }
}

/// A message: each payload word names it and its own place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) words: u64,
}

impl Message {
    pub(crate) const fn new(id: u64, words: u64) -> Self {
        Self { id, words }
    }

    fn word(self, index: u64) -> u64 {
        self.id << 8 | index
    }
}

/// The producer's side.
pub(crate) struct Sender {
    world: Rc<World>,
    pub(crate) side: record::Producer,
    pub(crate) handle: usize,
}

impl Sender {
    /// Grants space for `message` and writes its payload.
    pub(crate) fn write(&mut self, message: Message) -> Result<Place, Refused> {
        let world = &self.world;
        let unstaged = self.side.tail();
        let place = self.side.reserve(world.ring(), message.words * WORD_BYTES)?;
        // Header, payload and the next header; and, if nothing is staged, the header
        // of the pad that may lead here.
        world.granted(place.offset - WORD_BYTES, message.words + 2);
        if place.offset == WORD_BYTES {
            world.granted(unstaged % CAPACITY_BYTES, 1);
        }
        for word in 0..message.words {
            let index = World::index(place.offset + word * WORD_BYTES);
            world.words[index].store(message.word(word), Ordering::Relaxed);
        }
        Ok(place)
    }

    /// Writes `message` and puts it behind the staged ones.
    pub(crate) fn stage(&mut self, message: Message) -> Result<(), Refused> {
        let place = self.write(message)?;
        self.side.stage(self.world.ring(), place, message.words * WORD_BYTES);
        Ok(())
    }

    /// Writes `message` and sends only its first `words` words.
    pub(crate) fn send_shrunk(&mut self, message: Message, words: u64) {
        let place = self.write(message).expect("there is room");
        self.side.stage(self.world.ring(), place, words * WORD_BYTES);
        self.publish();
    }

    pub(crate) fn publish(&mut self) {
        self.side.publish(self.world.ring());
    }

    pub(crate) fn try_send(&mut self, message: Message) -> Result<(), Refused> {
        self.stage(message)?;
        self.publish();
        Ok(())
    }

    /// Sends, trying again while the ring is full.
    pub(crate) fn send(&mut self, message: Message) {
        while let Err(refused) = self.try_send(message) {
            assert!(matches!(refused, Refused::Full { .. }), "{refused:?}");
            yield_now();
        }
    }

    /// Sends, sleeping while the ring is full, and wakes the receiver.
    pub(crate) fn send_or_sleep(&mut self, message: Message) {
        while let Err(refused) = self.try_send(message) {
            let Refused::Full { need } = refused else { panic!("{refused:?}") };
            self.sleep(need);
        }
        self.notify();
    }

    /// Sleeps until head reaches `need`.
    pub(crate) fn sleep(&self, need: u64) {
        let World { control, handles, .. } = &*self.world;
        let ready = || self.world.ring().has_room(need) || self.world.roles().consumer_gone(0);
        wake::sleep(&control.senders, handles, self.handle, need, Deadline, ready);
    }

    /// Wakes the receiver if what was sent ends its wait.
    pub(crate) fn notify(&self) {
        let World { control, handles, .. } = &*self.world;
        wake::notify(&control.receivers, handles, self.side.tail());
    }

    /// Gives the role up and wakes all who may wait for it.
    pub(crate) fn leave(self) {
        self.world.leave(self.handle);
        self.world.wake_all();
    }
}

/// The consumer's side.
pub(crate) struct Receiver {
    world: Rc<World>,
    pub(crate) side: record::Consumer,
    /// Producers whose end an earlier receiver was told.
    past_producers: u64,
    pub(crate) handle: usize,
}

impl Receiver {
    /// The message at position `from`, read but not released.
    pub(crate) fn peek(&self, from: u64) -> Option<(Place, Message)> {
        let world = &self.world;
        let place = self.side.peek(world.ring(), from).expect("not corrupt")?;
        let first = world.words[World::index(place.offset)].load(Ordering::Relaxed);
        let message = Message::new(first >> 8, place.len / WORD_BYTES);
        for word in 0..message.words {
            let index = World::index(place.offset + word * WORD_BYTES);
            world.ghosts[index].with(|_| ());
            let value = world.words[index].load(Ordering::Relaxed);
            assert_eq!(value, message.word(word), "a torn or foreign payload");
        }
        Some((place, message))
    }

    /// The message at head, once there is one.
    pub(crate) fn await_peek(&self) -> (Place, Message) {
        loop {
            match self.peek(self.side.head()) {
                Some(peeked) => return peeked,
                None => yield_now(),
            }
        }
    }

    /// Hands back the space of `messages` messages that end with the one at `place`.
    pub(crate) fn release(&mut self, place: Place, messages: u64) {
        self.side.release(self.world.ring(), place.end(), messages);
    }

    pub(crate) fn try_recv(&mut self) -> Option<Message> {
        let (place, message) = self.peek(self.side.head())?;
        self.release(place, 1);
        Some(message)
    }

    /// Receives, trying again while the ring is empty.
    pub(crate) fn recv(&mut self) -> Message {
        let (place, message) = self.await_peek();
        self.release(place, 1);
        message
    }

    /// Receives, sleeping while the ring is empty, and wakes the sender; `None`
    /// at the end of the stream.
    pub(crate) fn recv_or_sleep(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.try_recv() {
                self.notify();
                return Some(message);
            }
            // The order matters: see that no more can come, then look again.
            if let Some(producers) = self.ended() {
                let last = self.try_recv();
                if last.is_none() {
                    self.world.control.consumer.tell_end(producers);
                }
                return last;
            }
            self.sleep();
        }
    }

    /// How many producers have come and gone, if no more messages can come of them.
    pub(crate) fn ended(&self) -> Option<u64> {
        self.world.roles().ended(self.past_producers)
    }

    /// Sleeps until there is a message or the stream ends.
    pub(crate) fn sleep(&self) {
        let World { control, handles, .. } = &*self.world;
        // The tightest need: any message ends at least a byte past head.
        let need = self.side.head().wrapping_add(1);
        let ready = || self.side.has_message(self.world.ring()) || self.ended().is_some();
        wake::sleep(&control.receivers, handles, self.handle, need, Deadline, ready);
    }

    /// Wakes the sender if what was released ends its wait.
    pub(crate) fn notify(&self) {
        let World { control, handles, .. } = &*self.world;
        wake::notify(&control.senders, handles, self.side.head());
    }

    /// Gives the role up and wakes all who may wait for it.
    pub(crate) fn leave(self) {
        self.world.leave(self.handle);
        self.world.wake_all();
    }
}
