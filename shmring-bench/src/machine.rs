//! What machine it is, as far as figures depend on it.

use std::fmt;
use std::fs;
use std::process::Command;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::cpu;

/// What to know of a machine, and of the build, to place its figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Which design the processor is; none if the kernel does not report it.
    #[serde(default)]
    pub cpu_model: Option<CpuModel>,
    /// CPUs on which the measurement may run.
    pub cpus: usize,
    /// Whether it is a virtual machine, where the host decides what a CPU is.
    pub virtual_machine: bool,
    /// How the kernel sets the clock rate; none if it does not.
    pub governor: Option<String>,
    /// The kernel's release.
    pub kernel: String,
    /// When the measurement began, in UTC.
    pub date: String,
    /// The commit of the sources, with `-dirty` if they were changed; none if it is not known.
    pub commit: Option<String>,
    /// The version of the harness.
    pub version: String,
}

/// A processor's design, as an x86 processor numbers it. Names hide it, and copies, stores and
/// the way of a cache line differ more between two families than between most rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuModel {
    /// The generation: 25 is Zen 3 and 4, 26 is Zen 5.
    pub family: u32,
    /// The design within the family.
    pub model: u32,
    /// Its revision.
    pub stepping: u32,
}

impl fmt::Display for CpuModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CpuModel { family, model, stepping } = self;
        write!(f, "family {family}, model {model}, stepping {stepping}")
    }
}

impl CpuModel {
    /// Reads the text of /proc/cpuinfo.
    fn parse(facts: &str) -> Option<CpuModel> {
        let number = |name: &str| fact(facts, name)?.parse().ok();
        Some(CpuModel {
            family: number("cpu family")?,
            model: number("model")?,
            stepping: number("stepping")?,
        })
    }
}

/// The value of the first line of that name.
fn fact<'a>(facts: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = facts.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

impl Machine {
    /// The processor's name, and its design if that is known.
    pub fn processor(&self) -> String {
        match self.cpu_model {
            Some(model) => format!("{} ({model})", self.cpu),
            None => self.cpu.clone(),
        }
    }

    /// This one, now.
    pub fn this() -> Machine {
        let facts = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let governor = fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Machine {
            cpu: fact(&facts, "model name").unwrap_or(std::env::consts::ARCH).to_owned(),
            cpu_model: CpuModel::parse(&facts),
            cpus: cpu::count(),
            virtual_machine: fact(&facts, "flags")
                .is_some_and(|flags| flags.contains("hypervisor")),
            governor: governor.ok().map(|name| name.trim().to_owned()),
            kernel: kernel.trim().to_owned(),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            commit: commit(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// The commit of the checkout that this was built from, if that is still there.
fn commit() -> Option<String> {
    let mut git = Command::new("git");
    git.args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--abbrev=12"]);
    let output = git.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n\
        model\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\nflags\t\t: fpu hypervisor\n";

    /// Catches a `model name` that is taken for the model, and reports without it.
    #[test]
    fn a_processor_is_reported_with_its_design() {
        let model = CpuModel::parse(FACTS);
        assert_eq!(model, Some(CpuModel { family: 25, model: 17, stepping: 1 }));
        assert_eq!(fact(FACTS, "model name"), Some("AMD EPYC"));
        let machine = Machine { cpu: "AMD EPYC".to_owned(), cpu_model: model, ..Machine::this() };
        assert_eq!(machine.processor(), "AMD EPYC (family 25, model 17, stepping 1)");
        let unknown = Machine { cpu_model: None, ..machine };
        assert_eq!(unknown.processor(), "AMD EPYC");
        assert_eq!(CpuModel::parse("CPU implementer\t: 0x41\n"), None);
    }

    /// Catches JSON of earlier sessions that can no longer be read.
    #[test]
    fn earlier_sessions_have_no_design() {
        let mut json = serde_json::to_value(Machine::this()).unwrap();
        json.as_object_mut().unwrap().remove("cpu_model");
        let read: Machine = serde_json::from_value(json).unwrap();
        assert_eq!(read.cpu_model, None);
    }
}
