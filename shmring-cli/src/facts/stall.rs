//! Explains a stall as text: its cause, the process that could end it, and how.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use shmring::{Kind, ProcessState, Role, Stall, Status};

use super::sample::millis;
use super::{HeldUpFacts, HolderFacts, JobsFacts, ParticipantFacts};
use crate::report;

/// The unit of a ring's positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Slots,
}

impl Unit {
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Spsc | Kind::Broadcast => Self::Bytes,
            _ => Self::Slots,
        }
    }

    /// Returns an amount of that unit as text.
    fn amount(self, count: u64) -> String {
        match self {
            Self::Bytes => report::bytes(count),
            Self::Slots => report::count(count, "slot"),
        }
    }
}

/// Why nothing was received in a sample.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StallFacts {
    /// `in_flight`, `full`, `in_hand`, `not_taken`, `empty` or `corrupt`.
    pub(crate) kind: &'static str,
    /// The position at which the ring stalls.
    pub(crate) position: u64,
    /// The time for which it was seen to stall.
    pub(crate) at_least_ms: u64,
    /// The holders of the ticket of a position in flight; absent for other kinds.
    pub(crate) tickets: Option<Vec<HolderFacts>>,
    /// The cause, in sentences.
    pub(crate) why: Vec<String>,
    /// How to end it, in sentences.
    pub(crate) remedy: Vec<String>,
    /// `true` if a process that could end it is stopped.
    #[serde(skip)]
    pub(crate) is_hindered: bool,
}

impl StallFacts {
    /// Returns `true` if a process waits and cannot continue.
    pub(crate) fn is_stuck(&self) -> bool {
        matches!(self.kind, "in_flight" | "full" | "corrupt")
    }

    pub(super) fn say(&mut self, sentence: impl Into<String>) {
        self.why.push(sentence.into());
    }

    pub(super) fn do_this(&mut self, sentence: impl Into<String>) {
        self.remedy.push(sentence.into());
    }
}

/// How the user named a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// The argument that names it to verbs.
    pub(crate) target: &'a str,
    /// `true` if that is a name, by which it can be removed.
    pub(crate) is_named: bool,
}

/// A ring that stalls.
pub(super) struct Scene<'a> {
    pub(super) status: &'a Status,
    pub(super) subject: Subject<'a>,
    pub(super) kind: Kind,
    /// The time for which it was seen to stall.
    pub(super) at_least: Duration,
    /// The subscriber for which the producer of a broadcast ring waits.
    pub(super) held_up_by: Option<&'a HeldUpFacts>,
}

impl Scene<'_> {
    pub(super) fn explain(&self, stall: &Stall) -> StallFacts {
        let Self { status, subject: Subject { target, is_named }, kind, at_least, held_up_by } =
            *self;
        let unit = Unit::of(kind);
        let mut facts = StallFacts {
            kind: "empty",
            position: status.ring().head,
            at_least_ms: millis(at_least),
            tickets: None,
            why: Vec::new(),
            remedy: Vec::new(),
            is_hindered: false,
        };
        match stall {
            Stall::InFlight { position, tickets } => {
                let tickets: Vec<_> = tickets.iter().map(HolderFacts::of).collect();
                (facts.kind, facts.position) = ("in_flight", *position);
                self.in_flight(*position, &tickets, &mut facts);
                facts.tickets = Some(tickets);
            }
            Stall::Full if kind == Kind::Broadcast => {
                facts.kind = "full";
                facts.say("the ring is full, and the slowest gating receiver receives nothing");
                match held_up_by {
                    Some(held_up) => held_up.explain(&mut facts),
                    None => self.no_receiver(&mut facts),
                }
            }
            Stall::InHand => {
                facts.kind = "in_hand";
                self.in_hand(&mut facts);
            }
            Stall::Full => {
                facts.kind = "full";
                match held_up_by {
                    Some(held_up) => {
                        facts.say("the ring is full, and its first job is not acknowledged");
                        held_up.explain(&mut facts);
                    }
                    None => {
                        facts.say("the ring is full, and no process receives");
                        self.no_receiver(&mut facts);
                    }
                }
            }
            Stall::NotTaken => {
                facts.kind = "not_taken";
                let amount = unit.amount(status.ring().tail.wrapping_sub(status.ring().head));
                let who = if kind == Kind::Broadcast {
                    "the slowest gating receiver"
                } else {
                    "no process"
                };
                let what = if kind == Kind::Broadcast { "receives nothing" } else { "receives" };
                facts.say(format!("{amount} wait to be received, and {who} {what}"));
                self.no_receiver(&mut facts);
            }
            Stall::Empty => {
                facts.say(match kind {
                    Kind::Broadcast => {
                        "no gating receiver has messages to receive, and no process sends"
                    }
                    _ => "the ring is empty, and no process sends",
                });
                self.no_sender(&mut facts);
            }
            Stall::Corrupt(corrupt) => {
                (facts.kind, facts.position) = ("corrupt", corrupt.position);
                facts.say(format!("{corrupt}, which no correct program can have written"));
                facts.do_this("this ring cannot be repaired: stop the attached processes");
                if is_named {
                    facts.do_this(format!("then `shmring unlink {target}` and create it anew"));
                }
            }
            _ => facts.kind = "unknown",
        }
        facts
    }

    /// Reports the workers that have jobs.
    fn in_hand(&self, facts: &mut StallFacts) {
        let ring = self.status.ring();
        if let Some(jobs) = ring.jobs {
            let summary = JobsFacts::of(jobs).summary();
            facts.say(format!("{summary}, and no worker takes or acknowledges one"));
        }
        for holder in ring.holders_of(Role::Consumer).map(HolderFacts::of) {
            if holder.in_hand.is_empty() {
                continue;
            }
            let participant = &holder.participant;
            let has = format!("has had jobs for {}: {}", holder.jobs_for(), holder.jobs());
            if !participant.alive {
                facts.say(format!("{} {has}; it is dead", participant.named()));
                facts.do_this(
                    "the next process that waits reaps the dead, and their jobs come back",
                );
            } else if !hindered(participant, &has, facts) {
                facts.say(format!("{} {has}", participant.named()));
            }
        }
    }

    fn in_flight(&self, position: u64, tickets: &[HolderFacts], facts: &mut StallFacts) {
        let behind = self.status.ring().tail.wrapping_sub(position).wrapping_sub(1);
        let behind = match behind {
            0 => String::new(),
            _ => format!(", and {} behind it wait", Unit::of(self.kind).amount(behind)),
        };
        facts.say(format!("position {position} is claimed and not published{behind}"));
        for HolderFacts { participant, .. } in tickets {
            self.owner(participant, facts);
        }
        if tickets.is_empty() {
            facts.say("its owner died and has been reaped");
        }
        if tickets.iter().all(|ticket| !ticket.participant.alive) {
            facts.do_this(match self.has_living_consumer() {
                true => "a consumer closes the ticket as soon as one receives".to_owned(),
                false => format!(
                    "the next consumer closes the ticket when it receives: `shmring recv {}`",
                    self.subject.target
                ),
            });
        } else {
            facts.do_this(
                "nothing else: what a living process is about to store cannot be revoked; if it \
                 is killed, a consumer closes the ticket",
            );
        }
    }

    /// Reports the owner of a ticket, which may have lost it without having noticed yet.
    fn owner(&self, owner: &ParticipantFacts, facts: &mut StallFacts) {
        let named = owner.named();
        if !owner.alive {
            return facts.say(format!("{named} has the ticket and is dead"));
        }
        if hindered(owner, "has the ticket", facts) {
            return;
        }
        match &owner.process_state {
            Some(state) => facts.say(format!("{named} has the ticket, is alive and {state}")),
            None => facts
                .say(format!("{named} has the ticket and is alive; its state is not visible here")),
        }
        facts.do_this("the ring continues when that process does");
    }

    fn no_receiver(&self, facts: &mut StallFacts) {
        let (status, target) = (self.status, self.subject.target);
        if self.holders(Role::Consumer, "receives nothing", facts) {
            return;
        }
        facts.say(gone(status, status.ring().consumers_so_far, Role::Consumer));
        facts.do_this(format!("receive: `shmring recv {target}`"));
    }

    fn no_sender(&self, facts: &mut StallFacts) {
        let (status, target) = (self.status, self.subject.target);
        if status.ring().closed {
            facts.say("the ring was closed for good: no process can send");
            if self.subject.is_named {
                facts.do_this(format!("`shmring create {target} --recreate` makes a new one"));
            }
            return;
        }
        if self.holders(Role::Producer, "sends nothing", facts) {
            return;
        }
        facts.say(gone(status, status.ring().producers_so_far, Role::Producer));
        facts.do_this(format!("send: `shmring send {target}`"));
    }

    /// Reports the holders of a role, which could end the stall. Returns `false` if there are none.
    fn holders(&self, role: Role, what: &str, facts: &mut StallFacts) -> bool {
        let holders = self.status.ring().holders_of(role).map(HolderFacts::of);
        // Others of a broadcast ring take no part in what is used of it.
        let takes_part = |holder: &HolderFacts| {
            holder.subscription.as_ref().is_none_or(|subscription| subscription.mode == "gating")
        };
        let holders: Vec<_> = holders.filter(takes_part).collect();
        for HolderFacts { participant, .. } in &holders {
            let has = format!("has a {role}");
            if !participant.alive {
                facts.say(format!("{} {has} and is dead", participant.named()));
            } else if !hindered(participant, &has, facts) {
                let state = participant.process_state.as_deref().unwrap_or("alive");
                facts.say(format!("{} {has}, is {state} and {what}", participant.named()));
            }
        }
        if holders.iter().any(|holder| !holder.participant.alive) {
            let gc = match self.subject.is_named {
                true => format!(", or by `shmring gc {}`", self.subject.target),
                false => String::new(),
            };
            facts.do_this(format!("the next process to attach reaps the dead{gc}"));
        }
        !holders.is_empty()
    }

    fn has_living_consumer(&self) -> bool {
        self.status.ring().consumers.iter().any(|consumer| consumer.alive)
    }
}

fn processes(count: u64) -> String {
    if count == 1 { "1 process".to_owned() } else { format!("{count} processes") }
}

/// Returns a sentence about the former holders of a role that is vacant. The counters do not say
/// which role the dead had.
fn gone(status: &Status, so_far: u64, role: Role) -> String {
    let died = match status.repairs {
        0 => String::new(),
        count => format!("; {} died in this ring so far", processes(count)),
    };
    match so_far {
        0 => format!("no {role} has come yet"),
        1 => format!("1 {role} was here and is gone{died}"),
        count => format!("{count} {role}s were here and are gone{died}"),
    }
}

/// Reports what holds a process up, and how to end that. Returns `false` if nothing does.
fn hindered(participant: &ParticipantFacts, has: &str, facts: &mut StallFacts) -> bool {
    let Some(Hindrance { is, remedy }) = Hindrance::of(participant) else {
        return false;
    };
    facts.say(format!("{} {has}{is}", participant.named()));
    facts.do_this(remedy);
    facts.is_hindered = true;
    true
}

/// Why a living process does not run.
#[derive(Debug)]
pub(super) struct Hindrance {
    /// The end of a sentence.
    pub(super) is: &'static str,
    pub(super) remedy: String,
}

impl Hindrance {
    pub(super) fn of(participant: &ParticipantFacts) -> Option<Self> {
        let pid = participant.number();
        let (is, remedy) = if participant.is_in(ProcessState::Stopped) {
            (" and is stopped", format!("`kill -CONT {pid}` resumes it"))
        } else if participant.is_in(ProcessState::Traced) {
            (" and is stopped by a debugger", format!("the debugger of process {pid} resumes it"))
        } else if participant.is_in(ProcessState::Frozen) {
            let file = participant.frozen_by.as_deref().unwrap_or(Path::new("cgroup.freeze"));
            (" and is frozen by its control group", format!("`{}` resumes it", thaw(file)))
        } else if participant.is_in(ProcessState::DumpingCore) {
            (
                ", was killed and counts as alive until its core file is written",
                format!("wait for that, or `kill -KILL {pid}` cuts the core file short"),
            )
        } else {
            return None;
        };
        Some(Self { is, remedy })
    }
}

/// Returns a command that thaws a frozen control group.
fn thaw(file: &Path) -> String {
    let word = if file.ends_with("freezer.state") { "THAWED" } else { "0" };
    let path = report::printable(&file.to_string_lossy());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,@%:".contains(c);
    match path.chars().all(is_plain) {
        true => format!("echo {word} > {path}"),
        false => format!("echo {word} > '{}'", path.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches the word of the other hierarchy, and a path that a shell splits.
    #[test]
    fn commands_that_thaw() {
        let file = Path::new("/sys/fs/cgroup/a/cgroup.freeze");
        assert_eq!(thaw(file), "echo 0 > /sys/fs/cgroup/a/cgroup.freeze");
        let file = Path::new("/sys/fs/cgroup/freezer/a b/freezer.state");
        assert_eq!(thaw(file), "echo THAWED > '/sys/fs/cgroup/freezer/a b/freezer.state'");
    }
}
