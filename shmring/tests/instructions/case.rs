//! What is killed: an operation, on a ring, in a scene.

use std::fmt;

use shmring::{Config, Kind, Role, Subscribe};

use crate::common::slots;

/// Slots of the slot rings and of the packed ring.
const SLOTS: u64 = 4;
/// Bytes in a message that spans two slots.
const SPAN_BYTES: usize = 100;
/// Messages that a batch sends, and messages that a batch receives.
pub(crate) const SENT_AT_ONCE: usize = 3;
pub(crate) const TAKEN_AT_ONCE: usize = 2;

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Send,
    Reserve,
    SendBatch,
    Abort,
    Recv,
    Peek,
    RecvBatch,
    /// Takes a job.
    Take,
    /// Acknowledges the job that it has.
    Acknowledge,
    /// Gives the job back that it has.
    GiveBack,
    /// Waits for two rings by a set, and receives.
    Select,
    /// Arms a readiness, polls its descriptor, and receives.
    Arm,
    Attach,
    /// Evicts a gating subscriber.
    Evict,
    Join(Role),
    /// Gives up the handle, and with it the attach.
    Leave(Role),
}

/// What it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// Some messages, and some room.
    Plain,
    /// The ring ends in the midst of what is sent or received.
    Wrap,
    /// Messages that span slots, the first of which around the end of the ring.
    Spans,
    /// Room for just the messages sent; a full ring for a receiver.
    Tight,
    /// A ticket of a dead producer before the messages.
    Ticket,
    /// A process that died and has not been reaped.
    Dead,
    /// Messages that were overwritten since the victim subscribed.
    Overrun,
    /// As above, and the victim was evicted before that.
    Evicted,
    /// A survivor of the other role that sleeps until the victim is done.
    Sleeper,
    /// Nothing to receive or no room: the victim sleeps until a survivor does its part.
    Asleep,
    /// As above, and a survivor of the same role sleeps, too.
    Beside,
}

/// How the victim subscribes to a broadcast ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Gating,
    Lossy,
    Latest,
}

impl How {
    pub(crate) fn subscribe(self) -> Subscribe {
        match self {
            Self::Gating => Subscribe::gating(),
            Self::Lossy => Subscribe::lossy(),
            Self::Latest => Subscribe::latest(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) op: Op,
    pub(crate) kind: Kind,
    pub(crate) scene: Scene,
    pub(crate) how: How,
}

impl Op {
    /// The role that the victim has, or comes to have.
    pub(crate) fn role(self) -> Option<Role> {
        match self {
            Self::Send | Self::Reserve | Self::SendBatch | Self::Abort => Some(Role::Producer),
            Self::Recv | Self::Peek | Self::RecvBatch | Self::Select | Self::Arm => {
                Some(Role::Consumer)
            }
            Self::Take | Self::Acknowledge | Self::GiveBack => Some(Role::Consumer),
            Self::Attach | Self::Evict => None,
            Self::Join(role) | Self::Leave(role) => Some(role),
        }
    }

    /// The messages that it sends.
    pub(crate) fn sends(self) -> usize {
        match self {
            Self::Send | Self::Reserve => 1,
            Self::SendBatch => SENT_AT_ONCE,
            _ => 0,
        }
    }

    /// The messages that it takes.
    pub(crate) fn takes(self) -> usize {
        match self {
            Self::Recv | Self::Peek | Self::Select | Self::Arm | Self::Acknowledge => 1,
            Self::RecvBatch => TAKEN_AT_ONCE,
            _ => 0,
        }
    }
}

impl Case {
    pub(crate) fn config(self) -> Config {
        let config = match self.kind {
            Kind::Spsc => Config::spsc().capacity_bytes(4096),
            Kind::Broadcast => crate::common::broadcast(),
            Kind::Packed => Config::packed::<u64>().slots(SLOTS),
            kind => slots(kind, SLOTS, 64),
        };
        config.max_attachments(self.attaches() as u64).max_handles(self.handles() as u64)
    }

    /// The messages that the victim takes from others: none where each gets all.
    pub(crate) fn takes(self) -> usize {
        match (self.kind, self.scene, self.op) {
            (Kind::Broadcast, ..) => 0,
            // The first message is in several slots, and who competes takes it alone.
            (Kind::Mpmc | Kind::Spmc, Scene::Spans, Op::RecvBatch) => 1,
            _ => self.op.takes(),
        }
    }

    /// Attaches at once: the survivors, the victim, and the process that died before it. An entry
    /// that stays taken is missed.
    pub(crate) fn attaches(self) -> usize {
        if self.has_dead() { 3 } else { 2 }
    }

    /// Handles that there can be at once; as above.
    pub(crate) fn handles(self) -> usize {
        let watchers = self.watchers().len();
        let shared = self.shares(Role::Producer) || self.shares(Role::Consumer);
        watchers + if shared { 6 } else { 2 }
    }

    /// The subscribers that survive the victim's death beside the consumer, and the order in which
    /// they joined.
    pub(crate) fn watchers(self) -> &'static [How] {
        match (self.kind, self.op) {
            (Kind::Broadcast, Op::Evict) => &[How::Lossy, How::Lossy, How::Latest, How::Gating],
            (Kind::Broadcast, _) => &[How::Lossy, How::Lossy, How::Latest],
            _ => &[],
        }
    }

    /// Whether the producer goes on after the victim's death as if nothing had happened.
    pub(crate) fn holds_nobody_up(self) -> bool {
        self.how != How::Gating || self.scene == Scene::Evicted
    }

    pub(crate) fn shares(self, role: Role) -> bool {
        self.kind.shares(role)
    }

    /// Whether another process died before the victim.
    pub(crate) fn has_dead(self) -> bool {
        matches!(self.scene, Scene::Ticket | Scene::Dead)
    }

    /// Whether a survivor has that role from the beginning.
    pub(crate) fn survivor_has(self, role: Role) -> bool {
        let taken = self.op.role() == Some(role) || self.scene == Scene::Dead;
        self.shares(role) || !taken
    }

    /// Slots, or of a record ring bytes, that are used before the scene begins.
    pub(crate) fn advance(self) -> usize {
        let sends = self.op.role() == Some(Role::Producer);
        match (self.scene, self.kind) {
            // Room for half a record of the message, or for one and a half of the batch.
            (Scene::Wrap, Kind::Spsc | Kind::Broadcast) => {
                let room = if self.op.sends().max(self.op.takes()) > 1 { 64 } else { 24 };
                4096 - room - if sends { 48 } else { 0 }
            }
            // All four slots are the batch's.
            (Scene::Spans, _) if self.op == Op::SendBatch => SLOTS as usize - 2,
            (Scene::Wrap | Scene::Spans, _) => SLOTS as usize - if sends { 2 } else { 1 },
            _ => 0,
        }
    }

    /// The lengths of the messages that the victim sends.
    pub(crate) fn sent(self) -> [usize; SENT_AT_ONCE] {
        let item = crate::ends::ITEM_BYTES;
        match (self.scene, self.op) {
            (Scene::Spans, Op::SendBatch) => [item, SPAN_BYTES, item],
            (Scene::Spans, _) => [SPAN_BYTES; SENT_AT_ONCE],
            _ => [item; SENT_AT_ONCE],
        }
    }

    /// The lengths of the messages in the ring.
    pub(crate) fn before(self) -> Vec<usize> {
        let item = crate::ends::ITEM_BYTES;
        let sends = self.op.role() == Some(Role::Producer);
        let full = match self.scene {
            Scene::Tight | Scene::Sleeper => !sends,
            Scene::Asleep => sends,
            _ => false,
        };
        match (self.scene, self.kind) {
            // A record is 8 bytes longer than its message, and 8 bytes stay free.
            (_, Kind::Spsc) if full => vec![2000, 1000, 1024],
            (_, Kind::Broadcast) if full => vec![1016, 1016, 1016, 1008],
            (_, _) if full => vec![item; SLOTS as usize],
            (Scene::Asleep | Scene::Beside | Scene::Sleeper, _) => Vec::new(),
            (Scene::Tight, Kind::Spsc) if self.op == Op::SendBatch => vec![2000, 1000, 920],
            (Scene::Tight, Kind::Spsc) => vec![2000, 1000, 1016],
            (Scene::Tight, Kind::Broadcast) => {
                vec![1016, 1016, 1016, 1008 - self.op.sends() * (item + 8)]
            }
            (Scene::Tight, _) => vec![item; SLOTS as usize - self.op.sends()],
            (Scene::Ticket, _) if sends => vec![item; SLOTS as usize - 1 - self.op.sends()],
            (Scene::Ticket, _) => vec![item; 2],
            (Scene::Spans, _) if self.op == Op::SendBatch => Vec::new(),
            (Scene::Spans, _) if !sends => vec![SPAN_BYTES, item],
            // Two slots are the dead one's.
            (Scene::Dead, Kind::Jobs) => vec![item],
            _ if self.op.takes() > 0 || self.kind == Kind::Jobs => vec![item; 3],
            // A consumer that leaves has received one.
            _ if self.op == Op::Leave(Role::Consumer) => vec![item; 2],
            _ => vec![item],
        }
    }

    /// Whether it is in a sample of all cases: those left out run the code of others.
    pub(crate) fn is_in_sample(self) -> bool {
        let is_batch = matches!(self.op, Op::SendBatch | Op::RecvBatch);
        let is_mixed = matches!(self.kind, Kind::Mpsc | Kind::Spmc);
        let waits_elsewhere = matches!(self.op, Op::Select | Op::Arm);
        match self.scene {
            Scene::Plain if waits_elsewhere => !is_mixed,
            Scene::Asleep if waits_elsewhere => self.kind == Kind::Mpmc,
            // Tens of thousands of instructions in an unoptimised victim, a few for each sleep.
            Scene::Asleep if self.how == How::Latest => false,
            // In an unoptimised victim, the survivor is always faster.
            Scene::Beside => !is_mixed && !waits_elsewhere,
            Scene::Wrap | Scene::Tight | Scene::Asleep => !is_mixed,
            Scene::Sleeper => !is_batch,
            Scene::Spans => self.kind != Kind::Mpsc || self.op == Op::Peek,
            _ => true,
        }
    }

    /// Whether a kill may leave `count` of the messages that the victim sends or takes
    /// done, and the others not.
    pub(crate) fn may_do(self, count: usize) -> bool {
        let all = self.op.sends() + self.takes();
        let at_once = matches!(self.kind, Kind::Spsc | Kind::Packed | Kind::Broadcast);
        let one_by_one = self.op == Op::SendBatch && !at_once;
        count == 0 || count == all || (one_by_one && count < all)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, kind, scene, how } = self;
        write!(f, "{op:?} {kind} {scene:?}")?;
        if *how == How::Gating { Ok(()) } else { write!(f, " {how:?}") }
    }
}
