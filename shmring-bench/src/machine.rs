//! What machine it is, as far as figures depend on it.

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

impl Machine {
    /// This one, now.
    pub fn this() -> Machine {
        let facts = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let fact = |name: &str| {
            let line = facts.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let governor = fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Machine {
            cpu: fact("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cpus: cpu::count(),
            virtual_machine: fact("flags").is_some_and(|flags| flags.contains("hypervisor")),
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
