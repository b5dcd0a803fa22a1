//! The CPUs that threads may run on.

#![allow(unsafe_code)]

use std::fs;

use nix::libc;

/// The most CPUs that a Linux kernel supports on any architecture.
const MAX_CPUS: usize = 8192;

/// Returns the CPU of the calling thread, if its affinity mask allows only one.
pub(crate) fn only_cpu() -> Option<usize> {
    only(0)
}

/// Returns `true` if every thread of a process may run on `cpu` only; `false` if the system does
/// not report it.
pub(crate) fn is_confined(pid: u32, cpu: usize) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    let mut ids = threads.flatten().filter_map(|thread| thread.file_name().to_str()?.parse().ok());
    ids.all(|id| only(id) == Some(cpu))
}

/// Returns the only CPU that a thread may run on, if there is one; 0 is the calling thread.
fn only(thread: libc::pid_t) -> Option<usize> {
    let mut words = [0_u64; MAX_CPUS / 64];
    // SAFETY: the call writes at most the given number of bytes, and returns how many it wrote.
    let filled = unsafe {
        libc::syscall(
            libc::SYS_sched_getaffinity,
            thread,
            size_of_val(&words),
            (&raw mut words).cast::<libc::c_void>(),
        )
    };
    if filled <= 0 || words.iter().map(|word| word.count_ones()).sum::<u32>() != 1 {
        return None;
    }
    let index = words.iter().position(|&word| word != 0)?;
    Some(index * 64 + words[index].trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use nix::sched::{CpuSet, sched_getaffinity};
    use nix::unistd::Pid;

    use super::*;

    /// Catches a mask of several CPUs taken for one of a single CPU, the mask of one thread taken
    /// for that of all, and the wrong CPU.
    #[test]
    fn a_process_is_confined_if_all_its_threads_are() {
        let pid = std::process::id();
        let confined = std::thread::spawn(move || {
            let mut one = CpuSet::new();
            let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
            let cpu = (0..CpuSet::count()).find(|&cpu| allowed.is_set(cpu).unwrap()).unwrap();
            one.set(cpu).unwrap();
            nix::sched::sched_setaffinity(Pid::from_raw(0), &one).unwrap();
            assert_eq!(only_cpu(), Some(cpu));
            assert!(!is_confined(pid, cpu + 1));
            is_confined(pid, cpu)
        });
        let all = only_cpu().is_some();
        assert_eq!(confined.join().unwrap(), all);
        assert!(!is_confined(u32::MAX, 0));
    }
}
