//! A process that may not call `futex_waitv`, as old kernels and filters of containers have it.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::libc;
use serde_json::Value;

use crate::support::{Name, Running, run, run_with, shmring, start};

/// What a program of the filter does: load, compare, return (`linux/bpf_common.h`).
const LOAD_NUMBER: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Lets the process get an error for the call. `None` where the kernel has no filters.
#[allow(unsafe_code)]
fn refusing(mut command: Command, call: libc::c_long, errno: i32) -> Option<Command> {
    if !fs::exists("/proc/sys/kernel/seccomp/actions_avail").unwrap_or(false) {
        eprintln!("not tested: this kernel has no filters of system calls");
        return None;
    }
    let statement = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let filter = move || {
        let mut program = [
            statement(LOAD_NUMBER, 0, 0),
            statement(JUMP_EQUAL, 1, call as u32),
            statement(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
            statement(RETURN, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
        // SAFETY: the filter is valid for the length of the calls, and concerns this process only.
        let set = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter)
                    == 0
        };
        if set { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(filter) };
    Some(command)
}

fn without_waitv(args: &[&str], errno: i32) -> Option<Command> {
    refusing(shmring(args), libc::SYS_futex_waitv, errno)
}

// Catches a refusal that `doctor` does not see, or takes for a problem, and one whose cost it
// does not name.
#[test]
fn doctor_reports_it() {
    for (errno, words) in [(libc::EPERM, "not permitted"), (libc::ENOSYS, "not implemented")] {
        let Some(mut doctor) = without_waitv(&["doctor", "--json"], errno) else { return };
        let facts = Running::spawn(&mut doctor).end().expect_code(0).json();
        let groups = facts["groups"].as_array().expect("groups");
        let findings = groups.iter().flat_map(|group| group["findings"].as_array().expect("some"));
        let finding = findings.clone().find(|finding| finding["check"] == "futex-waitv");
        let finding = finding.expect("the check");
        assert_eq!(finding["level"], "note", "{finding}");
        let text = |field: &str| finding[field].as_str().expect("a text").to_lowercase();
        assert!(text("found").contains(words), "{finding}");
        assert!(text("means").contains("every millisecond"), "{finding}");
        assert!(text("remedy").contains("thread of its own"), "{finding}");
        assert_eq!(finding["command"], Value::Null);
        let Some(mut doctor) = without_waitv(&["doctor"], errno) else { return };
        let text = Running::spawn(&mut doctor).end().expect_code(0).text();
        assert!(text.to_lowercase().contains(words), "{text}");
    }
}

// Catches a receiver of several rings that fails, or does not wake, without the call.
#[test]
fn several_rings_are_received_without_it() {
    for errno in [libc::EPERM, libc::ENOSYS] {
        let names = [Name::with_ring("4K"), Name::with_slots("mpmc", "16", "64")];
        let args = ["recv", &names[0].0, &names[1].0];
        let Some(mut recv) = without_waitv(&args, errno) else { return };
        let mut recv = Running::spawn(&mut recv);
        let mut send = start(&["send", &names[0].0]);
        for line in [&b"one\n"[..], b"two\n"] {
            send.write(line);
            assert_eq!(recv.read(4), line);
        }
        names[1].await_role("consumers", recv.pid());
        run_with(&["send", &names[1].0], b"end\n").expect_code(0);
        send.end().expect_code(0);
        assert_eq!(recv.end().expect_code(0).text(), "end\n");
        assert_eq!(run(&["stat", &names[0].0, "--json"]).json()["messages_received"], 2);
    }
}
