//! The script of each case: what each party does before a kill, and what ends the wait after it.

use std::thread::sleep;
use std::time::Duration;

use shmring::Role;

use super::orders::Order;
use super::stage::{Done, Party, Stage};
use super::{Case, Scene};
use shmring_bench::Error;
use shmring_bench::random::Random;

/// Messages that a victim moves before it is killed.
const BEFORE: u64 = 3;
/// How long the parties are left in their waits before the kill: at least long enough to reach the
/// longest of the short sleeps of one that is stuck behind a claimed slot.
const SETTLED: Duration = Duration::from_millis(12);
/// Where a death may be noticed only at the end of a slice of sleep, kills are spread over one;
/// else over this.
const SPREAD: Duration = Duration::from_millis(8);
/// The longest sleep of the library.
const SLICE: Duration = Duration::from_millis(100);

/// The survivors of a case, which stay from kill to kill, and the ledger.
pub(super) struct Cast<'a> {
    stage: Stage<'a>,
    case: &'a Case,
    /// The one whose wait is measured; of the last scene, the one who stays.
    waiter: Party,
    /// Another of the victim's role.
    successor: Party,
    /// The number of the next message to be sent.
    sent: u64,
    /// The number of the next message to be received.
    received: u64,
    random: Random,
}

const PRODUCE: Order = Order::Produce { require_consumer: true };

impl<'a> Cast<'a> {
    /// Makes all survivors join that can.
    pub(super) fn join(case: &'a Case, mut stage: Stage<'a>, seed: u64) -> Result<Self, Error> {
        let mut waiter = stage.survivor("waiter")?;
        let mut successor = stage.survivor("successor")?;
        match case.scene {
            Scene::NextMessage | Scene::End | Scene::Window => {
                stage.order(&mut waiter, Order::Consume)?;
            }
            Scene::BrokenPipe | Scene::Redelivery => {
                stage.order(&mut waiter, PRODUCE)?;
            }
            Scene::Room => {
                let produce = Order::Produce { require_consumer: false };
                stage.order(&mut waiter, produce)?;
            }
        }
        if matches!(case.scene, Scene::NextMessage | Scene::Window | Scene::Room)
            && case.kind.shares(case.scene.dies())
        {
            stage.order(&mut successor, case.join())?;
        }
        Ok(Cast { stage, case, waiter, successor, sent: 0, received: 0, random: Random(seed) })
    }

    /// One kill: how long it took from there until the wait was over, in ns.
    pub(super) fn kill(&mut self) -> Result<u64, Error> {
        let mut victim = self.stage.victim()?;
        self.stage.order(&mut victim, self.case.join())?;
        let (killed_ns, over_ns) = match self.case.scene {
            Scene::NextMessage | Scene::Window => self.next_message(victim)?,
            Scene::End => self.end(victim)?,
            Scene::BrokenPipe => self.broken_pipe(victim)?,
            Scene::Room => self.room(victim)?,
            Scene::Redelivery => self.redelivery(victim)?,
        };
        over_ns.checked_sub(killed_ns).ok_or_else(|| {
            self.waiter.failed("its wait was over before anyone was killed".to_owned())
        })
    }

    fn next_message(&mut self, mut victim: Party) -> Result<(u64, u64), Error> {
        self.victim_sends(&mut victim)?;
        let send = Order::Send { first: self.sent, count: 1 };
        // What is sent behind an open ticket waits for the death; else the successor sends after
        // it.
        let behind = self.case.closes_tickets();
        if self.case.scene == Scene::Window {
            self.stage.order_to_wait(&mut victim, Order::HoldReservation)?;
        }
        if behind {
            self.stage.order(&mut self.successor, send)?;
        }
        self.wait_and_settle(Order::AwaitMessage { number: self.sent })?;
        let killed_ns = victim.kill()?;
        if !behind {
            self.successor.tell(&PRODUCE)?;
            self.successor.tell(&send)?;
        }
        let done = self.stage.await_done(&mut self.waiter)?;
        (self.sent, self.received) = (self.sent + 1, self.received + 1);
        if !behind {
            self.successor_done()?;
        }
        Ok((killed_ns, done.at_ns))
    }

    fn end(&mut self, mut victim: Party) -> Result<(u64, u64), Error> {
        self.victim_sends(&mut victim)?;
        self.wait_and_settle(Order::AwaitEnd)?;
        let killed_ns = victim.kill()?;
        Ok((killed_ns, self.stage.await_done(&mut self.waiter)?.at_ns))
    }

    fn broken_pipe(&mut self, mut victim: Party) -> Result<(u64, u64), Error> {
        self.victim_receives(&mut victim)?;
        self.wait_and_settle(Order::AwaitBrokenPipe { number: self.sent })?;
        let killed_ns = victim.kill()?;
        Ok((killed_ns, self.stage.await_done(&mut self.waiter)?.at_ns))
    }

    fn room(&mut self, mut victim: Party) -> Result<(u64, u64), Error> {
        self.victim_receives(&mut victim)?;
        self.wait_and_settle(Order::AwaitRoom { number: self.sent })?;
        let killed_ns = victim.kill()?;
        self.successor.tell(&Order::Consume)?;
        self.successor.tell(&Order::Receive { first: self.received, count: 1 })?;
        let done = self.stage.await_done(&mut self.waiter)?;
        (self.sent, self.received) = (self.sent + 1, self.received + 1);
        self.successor_done()?;
        Ok((killed_ns, done.at_ns))
    }

    fn redelivery(&mut self, mut victim: Party) -> Result<(u64, u64), Error> {
        self.stage.order(&mut self.waiter, Order::Send { first: self.sent, count: BEFORE })?;
        self.sent += BEFORE;
        let receive = Order::Receive { first: self.received, count: BEFORE - 1 };
        self.stage.order(&mut victim, receive)?;
        self.received += BEFORE - 1;
        let number = self.received;
        self.stage.order_to_wait(&mut victim, Order::HoldPeek { number })?;
        self.successor.tell(&Order::Consume)?;
        self.successor.tell(&Order::Receive { first: number, count: 1 })?;
        self.settle();
        let killed_ns = victim.kill()?;
        let done = self.successor_done()?;
        self.received += 1;
        Ok((killed_ns, done.at_ns))
    }

    fn victim_sends(&mut self, victim: &mut Party) -> Result<(), Error> {
        self.stage.order(victim, Order::Send { first: self.sent, count: BEFORE })?;
        self.sent += BEFORE;
        let receive = Order::Receive { first: self.received, count: BEFORE };
        self.stage.order(&mut self.waiter, receive)?;
        self.received += BEFORE;
        Ok(())
    }

    /// Leaves a full ring, of which the victim has received something.
    fn victim_receives(&mut self, victim: &mut Party) -> Result<(), Error> {
        self.fill()?;
        let receive = Order::Receive { first: self.received, count: BEFORE };
        self.stage.order(victim, receive)?;
        self.received += BEFORE;
        self.fill()
    }

    fn fill(&mut self) -> Result<(), Error> {
        let done = self.stage.order(&mut self.waiter, Order::Fill { first: self.sent })?;
        self.sent = done.next;
        Ok(())
    }

    fn wait_and_settle(&mut self, order: Order) -> Result<(), Error> {
        self.stage.order_to_wait(&mut self.waiter, order)?;
        self.settle();
        Ok(())
    }

    /// Lets the parties go to sleep, for a random time.
    fn settle(&mut self) {
        let spread = if self.case.may_take_a_slice() { SLICE } else { SPREAD };
        let part = self.random.below(spread.as_micros() as usize);
        sleep(SETTLED + Duration::from_micros(part as u64));
    }

    /// Waits until the successor has taken the role and used it. A sole role is then free for the
    /// next victim.
    fn successor_done(&mut self) -> Result<Done, Error> {
        self.stage.await_done(&mut self.successor)?;
        let done = self.stage.await_done(&mut self.successor)?;
        if !self.case.kind.shares(self.case.scene.dies()) {
            self.stage.order(&mut self.successor, Order::Leave)?;
        }
        Ok(done)
    }

    /// Checks that what is left in the ring is what was sent and not received, and that each kill
    /// was where it was meant to be.
    pub(super) fn close_the_books(mut self, kills: u32) -> Result<(), Error> {
        let Cast { stage, case, waiter, successor, sent, received, .. } = &mut self;
        let reader = if case.scene.dies() == Role::Producer { waiter } else { successor };
        stage.order(reader, Order::Consume)?;
        let left = Order::Receive { first: *received, count: *sent - *received };
        stage.order(reader, left)?;
        let status = stage.status()?;
        if status.ring().used_bytes != 0 {
            return Err(reader.failed(format!("{} bytes are left over", status.ring().used_bytes)));
        }
        let closed = if case.closes_tickets() { u64::from(kills) } else { 0 };
        if status.ring().resolved != closed {
            let resolved = status.ring().resolved;
            return Err(reader.failed(format!("{resolved} tickets were closed, not {closed}")));
        }
        Ok(())
    }
}
