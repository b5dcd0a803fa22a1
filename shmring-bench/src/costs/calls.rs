//! Calls: the clock, which needs no kernel on most machines, and three that go into it.
#![allow(unsafe_code)]

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use nix::errno::Errno;

use super::timing::ns_each;
use crate::contender::BoxError;
use crate::cpu;

// From the kernel's `linux/membarrier.h`.
const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

pub(super) fn clock() -> Result<f64, BoxError> {
    let mut last = cpu::now_ns()?;
    ns_each(|count| {
        for _ in 0..count {
            let now = cpu::now_ns()?;
            if now < last {
                return Err("the clock went backwards".into());
            }
            last = now;
        }
        Ok(())
    })
}

pub(super) fn nothing() -> Result<f64, BoxError> {
    let parent = libc::c_long::from(nix::unistd::getppid().as_raw());
    ns_each(|count| {
        for _ in 0..count {
            // SAFETY: the call takes nothing and changes nothing.
            if unsafe { libc::syscall(libc::SYS_getppid) } != parent {
                return Err("the parent is another one".into());
            }
        }
        Ok(())
    })
}

pub(super) fn wake() -> Result<f64, BoxError> {
    let word = AtomicU32::new(0);
    ns_each(|count| {
        for _ in 0..count {
            // SAFETY: the kernel uses the address only as a key.
            let woken =
                unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
            if Errno::result(woken).map_err(|error| format!("futex wake: {error}"))? != 0 {
                return Err("somebody was asleep".into());
            }
        }
        Ok(())
    })
}

/// The other thread is interrupted at each call, as processes that use a ring are.
pub(super) fn barrier(other: usize) -> Result<f64, BoxError> {
    membarrier(REGISTER_GLOBAL_EXPEDITED)?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let running = &stop;
        scope.spawn(move || {
            let _ = tell.send(cpu::pin(other));
            while !running.load(Ordering::Relaxed) {
                spin_loop();
            }
        });
        let pinned = told.recv();
        let figure = match pinned {
            Ok(Ok(())) => {
                ns_each(|count| (0..count).try_for_each(|_| membarrier(GLOBAL_EXPEDITED)))
            }
            _ => Err("the other CPU cannot be had".into()),
        };
        stop.store(true, Ordering::Relaxed);
        figure
    })
}

fn membarrier(command: libc::c_int) -> Result<(), BoxError> {
    // SAFETY: the call touches no memory of the program.
    let done = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    Errno::result(done).map(drop).map_err(|error| format!("membarrier: {error}").into())
}
