//! Findings about a machine and a segment. Each check is a pure function of facts that were
//! read before, so that tests can present any machine to it.

mod container;
mod kernel;
mod limits;
mod machine;
mod memory;
mod patient;
mod segment;
mod trial;

use serde::Serialize;

pub(crate) use machine::Machine;
pub(crate) use patient::Patient;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Correct.
    Ok,
    /// Information; everything works.
    Note,
    /// Everything works, but may fail or be slow later.
    Warning,
    /// Something does not work.
    Problem,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The name of the check, which is the same in each version.
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    pub(crate) found: String,
    /// What that means for rings.
    pub(crate) means: String,
    /// What to do, if anything.
    pub(crate) remedy: Option<String>,
    /// A command for the remedy, if there is one.
    pub(crate) command: Option<String>,
}

impl Finding {
    fn new(
        check: &'static str,
        level: Level,
        found: impl Into<String>,
        means: impl Into<String>,
    ) -> Self {
        let (found, means) = (found.into(), means.into());
        Self { check, level, found, means, remedy: None, command: None }
    }

    fn ok(check: &'static str, found: impl Into<String>, means: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, found, means)
    }

    /// Returns the finding for a fact that cannot be read.
    fn unknown(check: &'static str, what: &str) -> Self {
        let means = "Nothing can be said about it; rings may work all the same.";
        Self::new(check, Level::Note, format!("{what} cannot be read"), means)
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}

/// Findings about one subject.
#[derive(Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) subject: &'static str,
    pub(crate) findings: Vec<Finding>,
}

/// Runs all checks of a machine.
pub(crate) fn examine(machine: &Machine) -> Vec<Group> {
    vec![
        Group { subject: "shared memory", findings: memory::checks(machine) },
        Group { subject: "limits", findings: limits::checks(machine) },
        Group { subject: "kernel and machine", findings: kernel::checks(machine) },
        Group { subject: "container", findings: container::checks(machine) },
    ]
}

/// Runs all checks of a segment.
pub(crate) fn examine_segment(patient: &Patient, machine: &Machine) -> Group {
    let findings = segment::checks(patient, machine.has_global_barrier);
    Group { subject: "segment", findings }
}

#[cfg(test)]
mod tests;
