//! The processes that use a segment.

use std::path::PathBuf;

use serde::Serialize;
use shmring::info::{Holder, InHand, Process, Subscription};
use shmring::{Participant, PidNamespace, ProcessState};

use super::sample::millis;
use crate::report;

/// A process that uses a segment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ParticipantFacts {
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) alive: bool,
    /// The namespace of `pid`: `ours`, `other` or `unknown`.
    pub(crate) pid_namespace: &'static str,
    /// The pid in this command's pid namespace. Absent if the process is not visible there.
    pub(crate) local_pid: Option<u32>,
    /// Absent if the process is not visible here.
    pub(crate) command: Option<String>,
    /// The process state: `running`, `sleeping`, `stopped` and so on.
    pub(crate) process_state: Option<String>,
    /// The file of the control group that froze it.
    #[serde(skip)]
    pub(crate) frozen_by: Option<PathBuf>,
}

impl ParticipantFacts {
    pub(crate) fn of(participant: &Participant) -> Self {
        let Participant { pid, uid, alive, .. } = *participant;
        // A process that is alive without the segment is another one that got the pid.
        let process = participant.process().filter(|_| alive);
        let pid_namespace = match participant.pid_namespace {
            PidNamespace::Ours => "ours",
            PidNamespace::Other => "other",
            PidNamespace::Unknown => "unknown",
        };
        let (mut local_pid, mut command, mut process_state, mut frozen_by) = <_>::default();
        if let Some(Process { pid, command: its, state, frozen_by: file, .. }) = process {
            (local_pid, command) = (Some(pid), Some(its));
            (process_state, frozen_by) = (Some(state.to_string()), file);
        }
        Self { pid, uid, alive, pid_namespace, local_pid, command, process_state, frozen_by }
    }

    fn brief(&self) -> String {
        let number = self.number();
        if self.alive { number } else { format!("{number} dead") }
    }

    /// Returns its pid here or, if that is not known, the pid of its own namespace with a mark:
    /// here that pid means another process, or none.
    pub(crate) fn number(&self) -> String {
        match (self.local_pid, self.pid_namespace) {
            (Some(pid), _) => pid.to_string(),
            (None, "other") => format!("{} (other ns)", self.pid),
            (None, _) => self.pid.to_string(),
        }
    }

    /// Returns `true` if both have the same pids in the same namespace.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.pid, one.pid_namespace, one.local_pid);
        key(self) == key(other)
    }

    /// Returns its name in a sentence.
    pub(crate) fn named(&self) -> String {
        match &self.command {
            Some(command) => format!("process {} ({})", self.number(), report::printable(command)),
            None if self.pid_namespace == "other" => {
                format!("process {} of another pid namespace", self.pid)
            }
            None => format!("process {}", self.pid),
        }
    }

    /// Returns in few words whether it is alive, and its state.
    pub(crate) fn life(&self) -> String {
        let mut words = vec![if self.alive { "alive" } else { "dead" }];
        if self.pid_namespace == "other" {
            words.push("in another pid namespace");
        }
        words.extend(self.process_state.as_deref());
        words.join(", ")
    }

    /// Returns `true` if it is alive and in that state.
    pub(crate) fn is_in(&self, state: ProcessState) -> bool {
        self.alive && self.process_state.as_deref() == Some(&*state.to_string())
    }
}

/// A producer or a consumer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HolderFacts {
    /// The index in the handle table.
    pub(crate) handle: usize,
    pub(crate) role: String,
    #[serde(flatten)]
    pub(crate) participant: ParticipantFacts,
    /// The position that it sleeps for. Absent if it does not sleep.
    pub(crate) sleeps_until: Option<u64>,
    /// The tickets that it announced last. Absent if producers do not compete.
    pub(crate) announced: Option<Tickets>,
    /// Absent if it is no consumer of a broadcast ring.
    pub(crate) subscription: Option<SubscriptionFacts>,
    /// The jobs that a worker of a job ring has.
    pub(crate) in_hand: Vec<JobFacts>,
    /// How long it has had jobs without a break. Absent if it has none.
    pub(crate) in_hand_for_ms: Option<u64>,
}

/// A job in the hands of a worker.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct JobFacts {
    pub(crate) position: u64,
    /// How often it was taken, this time included.
    pub(crate) attempts: u64,
}

impl JobFacts {
    fn of(job: &InHand) -> Self {
        let InHand { position, attempts, .. } = *job;
        Self { position, attempts }
    }

    /// Returns the position, and the attempts if it is not the first.
    fn brief(&self) -> String {
        match self.attempts {
            1 => self.position.to_string(),
            attempts => format!("{} (attempt {attempts})", self.position),
        }
    }
}

/// How a consumer of a broadcast ring subscribed, and how far it has come.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SubscriptionFacts {
    /// `gating`, `lossy`, `latest` or `evicted`.
    pub(crate) mode: String,
    /// The position of its next message.
    pub(crate) position: u64,
    /// What is between that position and tail.
    pub(crate) lag_messages: u64,
    pub(crate) lag_bytes: u64,
    /// Messages that it did not receive since it joined.
    pub(crate) missed: u64,
}

impl SubscriptionFacts {
    fn of(subscription: &Subscription) -> Self {
        let Subscription { mode, position, lag_messages, lag_bytes, missed, .. } = *subscription;
        Self { mode: mode.to_string(), position, lag_messages, lag_bytes, missed }
    }

    /// Returns in words how far it is behind.
    pub(crate) fn lag(&self) -> String {
        let messages = report::count(self.lag_messages, "message");
        format!("{messages} ({})", report::bytes(self.lag_bytes))
    }
}

/// The positions from `first` to `end`, without `end`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tickets {
    pub(crate) first: u64,
    pub(crate) end: u64,
}

impl HolderFacts {
    pub(crate) fn of(holder: &Holder) -> Self {
        let announced = holder.announced.as_ref();
        Self {
            handle: holder.handle,
            role: holder.role.to_string(),
            participant: ParticipantFacts::of(&holder.participant),
            sleeps_until: holder.sleeps_until,
            announced: announced.map(|tickets| Tickets { first: tickets.start, end: tickets.end }),
            subscription: holder.subscription.as_ref().map(SubscriptionFacts::of),
            in_hand: holder.in_hand.iter().map(JobFacts::of).collect(),
            in_hand_for_ms: holder.in_hand_for.map(millis),
        }
    }

    /// Returns which jobs it has, as text.
    pub(crate) fn jobs(&self) -> String {
        match &*self.in_hand {
            [] => "-".to_owned(),
            jobs => jobs.iter().map(JobFacts::brief).collect::<Vec<_>>().join(", "),
        }
    }

    /// Returns for how long it has had jobs, as text.
    pub(crate) fn jobs_for(&self) -> String {
        self.in_hand_for_ms.map_or_else(|| "-".to_owned(), report::span)
    }
}

/// Lists up to `max` of `participants` as text, and the number of the others.
pub(crate) fn brief(participants: &[ParticipantFacts], max: usize) -> String {
    if participants.is_empty() {
        return "-".to_owned();
    }
    let mut words: Vec<_> = participants.iter().take(max).map(ParticipantFacts::brief).collect();
    if participants.len() > max {
        words.push(format!("+{}", participants.len() - max));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a list that outgrows its column, or hides how many there are or which are dead.
    #[test]
    fn many_participants_in_few_words() {
        let one = |pid| ParticipantFacts {
            pid,
            uid: 0,
            alive: pid != 2,
            pid_namespace: "ours",
            local_pid: None,
            command: None,
            process_state: None,
            frozen_by: None,
        };
        let them: Vec<_> = (1..=5).map(one).collect();
        assert_eq!(brief(&[], 3), "-");
        assert_eq!(brief(&them[..3], 3), "1, 2 dead, 3");
        assert_eq!(brief(&them, 3), "1, 2 dead, 3, +2");
    }

    // Catches a pid of another namespace that looks like one of ours.
    #[test]
    fn pids_of_other_namespaces() {
        let one = |local_pid| ParticipantFacts {
            pid: 7,
            uid: 0,
            alive: true,
            pid_namespace: "other",
            local_pid,
            command: local_pid.map(|_| "feed".to_owned()),
            process_state: None,
            frozen_by: None,
        };
        assert_eq!(brief(&[one(None), one(Some(4711))], 3), "7 (other ns), 4711");
        assert_eq!(one(None).named(), "process 7 of another pid namespace");
        assert_eq!(one(Some(4711)).named(), "process 4711 (feed)");
        assert!(!one(None).is(&one(Some(4711))));
    }
}
