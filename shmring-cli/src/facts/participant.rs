//! Who uses a segment.

use serde::Serialize;
use shmring::{Holder, Participant, PidNamespace, Process, ProcessState};

use crate::report;

/// A process that uses a segment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ParticipantFacts {
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) alive: bool,
    /// Where the pid counts: `ours`, `other` or `unknown`.
    pub(crate) pid_namespace: &'static str,
    /// Absent where this process cannot see it.
    pub(crate) command: Option<String>,
    /// What it does: `running`, `sleeping`, `stopped` and so on.
    pub(crate) process_state: Option<String>,
}

impl ParticipantFacts {
    pub(crate) fn of(participant: &Participant) -> Self {
        let Participant { pid, uid, alive, .. } = *participant;
        // A process that lives on without the segment is not the one that was in it.
        let process = participant.process().filter(|_| alive);
        let (command, process_state) =
            process.map(|Process { command, state }| (command, state.to_string())).unzip();
        let pid_namespace = match participant.pid_namespace {
            PidNamespace::Ours => "ours",
            PidNamespace::Other => "other",
            PidNamespace::Unknown => "unknown",
        };
        Self { pid, uid, alive, pid_namespace, command, process_state }
    }

    fn brief(&self) -> String {
        let Self { pid, alive, .. } = self;
        if *alive { pid.to_string() } else { format!("{pid} dead") }
    }

    /// As a sentence names it.
    pub(crate) fn named(&self) -> String {
        match &self.command {
            Some(command) => format!("process {} ({})", self.pid, report::printable(command)),
            None if self.pid_namespace == "other" => {
                format!("process {} of another pid namespace", self.pid)
            }
            None => format!("process {}", self.pid),
        }
    }

    /// Whether it is alive and what it does, in few words.
    pub(crate) fn life(&self) -> String {
        let mut words = vec![if self.alive { "alive" } else { "dead" }];
        if self.pid_namespace == "other" {
            words.push("in another pid namespace");
        }
        words.extend(self.process_state.as_deref());
        words.join(", ")
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is(ProcessState::Stopped)
    }

    pub(crate) fn is_traced(&self) -> bool {
        self.is(ProcessState::Traced)
    }

    fn is(&self, state: ProcessState) -> bool {
        self.alive && self.process_state.as_deref() == Some(&*state.to_string())
    }
}

/// A producer or a consumer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HolderFacts {
    /// Its entry of the handle table.
    pub(crate) handle: usize,
    pub(crate) role: String,
    #[serde(flatten)]
    pub(crate) participant: ParticipantFacts,
    /// The position that it sleeps for. Absent if it does not sleep.
    pub(crate) sleeps_until: Option<u64>,
    /// The tickets that it announced last. Absent where producers do not compete.
    pub(crate) announced: Option<Tickets>,
}

/// Positions from the first up to, but without, the end.
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
        }
    }
}

/// A few words for people about `participants`: up to `max` of them, and how many more.
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

    // Catches a list that outgrows its column, or hides how many there are or who is dead.
    #[test]
    fn many_participants_in_few_words() {
        let one = |pid| ParticipantFacts {
            pid,
            uid: 0,
            alive: pid != 2,
            pid_namespace: "ours",
            command: None,
            process_state: None,
        };
        let them: Vec<_> = (1..=5).map(one).collect();
        assert_eq!(brief(&[], 3), "-");
        assert_eq!(brief(&them[..3], 3), "1, 2 dead, 3");
        assert_eq!(brief(&them, 3), "1, 2 dead, 3, +2");
    }
}
