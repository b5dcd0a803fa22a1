//! The ring of the text books: a mutex and two condition variables in shared memory, which work
//! between processes.
#![allow(unsafe_code)]

use std::fs::File;
use std::mem::MaybeUninit;
use std::slice;

use memmap2::MmapRaw;
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Wait,
};

/// See the module.
#[derive(Debug)]
pub struct Condvar;

/// What lies before the slots. All but the lock is touched by its holder alone.
#[repr(C, align(64))]
struct Header {
    lock: libc::pthread_mutex_t,
    filled: libc::pthread_cond_t,
    emptied: libc::pthread_cond_t,
    head: u64,
    tail: u64,
    ended: bool,
}

fn bytes(setting: &Setting) -> usize {
    size_of::<Header>() + setting.room_messages() as usize * setting.message_bytes
}

fn check(error: libc::c_int) -> Result<(), BoxError> {
    if error == 0 { Ok(()) } else { Err(Errno::from_raw(error).into()) }
}

impl Contender for Condvar {
    const NAME: &'static str = "mutex + condvar";
    const ABOUT: &'static str = "ring in shared memory with a mutex and two condition variables";
    const NATURE: Nature = Nature { waits: &[Wait::Block], ..Nature::stream(Group::Kernel) };
    type Sender = End;
    type Receiver = End;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let memory = memfd_create(c"shmring-bench", MFdFlags::MFD_CLOEXEC)?;
        nix::unistd::ftruncate(&memory, bytes(setting).try_into()?)?;
        let file = File::from(memory);
        let map = MmapRaw::map_raw(&file)?;
        let header: *mut Header = map.as_mut_ptr().cast();
        let mut of_mutex = MaybeUninit::uninit();
        let mut of_condition = MaybeUninit::uninit();
        // SAFETY: the attributes are initialised before they are used; the header lies at the start
        // of a mapping that is large enough, and no other process has it yet.
        unsafe {
            check(libc::pthread_mutexattr_init(of_mutex.as_mut_ptr()))?;
            let shared = libc::PTHREAD_PROCESS_SHARED;
            check(libc::pthread_mutexattr_setpshared(of_mutex.as_mut_ptr(), shared))?;
            check(libc::pthread_mutex_init(&raw mut (*header).lock, of_mutex.as_ptr()))?;
            check(libc::pthread_condattr_init(of_condition.as_mut_ptr()))?;
            check(libc::pthread_condattr_setpshared(of_condition.as_mut_ptr(), shared))?;
            check(libc::pthread_cond_init(&raw mut (*header).filled, of_condition.as_ptr()))?;
            check(libc::pthread_cond_init(&raw mut (*header).emptied, of_condition.as_ptr()))?;
        }
        let capacity_bytes = (bytes(setting) - size_of::<Header>()) as u64;
        let copy = file.try_clone()?;
        Ok(Prepared::of_fds(vec![file.into()], vec![copy.into()], capacity_bytes))
    }

    fn open_sender(place: Place) -> Result<End, BoxError> {
        End::open(place)
    }

    fn open_receiver(place: Place) -> Result<End, BoxError> {
        End::open(place)
    }
}

/// Either end.
#[derive(Debug)]
pub struct End {
    map: MmapRaw,
    len: usize,
    slots: u64,
}

impl End {
    fn open(place: Place) -> Result<End, BoxError> {
        let setting = place.setting.clone();
        let map = MmapRaw::map_raw(&File::from(place.only_fd()?))?;
        if map.len() < bytes(&setting) {
            return Err("the memory is too small".into());
        }
        Ok(End { map, len: setting.message_bytes, slots: setting.room_messages() })
    }

    fn header(&self) -> *mut Header {
        self.map.as_mut_ptr().cast()
    }

    /// Does something to the ring while it is locked, once `ready`, and signals a condition.
    fn locked<T>(
        &self,
        ready: impl Fn(&Header) -> bool,
        wanted: fn(*mut Header) -> *mut libc::pthread_cond_t,
        given: fn(*mut Header) -> *mut libc::pthread_cond_t,
        act: impl FnOnce(&mut Header, &Self) -> T,
    ) -> Result<T, BoxError> {
        let header = self.header();
        // SAFETY: the parent initialised all three before this process was started, and they lie
        // in a mapping that lives as long as `self`.
        unsafe {
            let lock = &raw mut (*header).lock;
            check(libc::pthread_mutex_lock(lock))?;
            while !ready(&*header) {
                check(libc::pthread_cond_wait(wanted(header), lock))?;
            }
            let result = act(&mut *header, self);
            check(libc::pthread_mutex_unlock(lock))?;
            check(libc::pthread_cond_signal(given(header)))?;
            Ok(result)
        }
    }

    /// The slot of a position.
    fn slot(&self, position: u64) -> *mut u8 {
        let index = (position % self.slots) as usize;
        // SAFETY: the mapping has a header and so many slots (checked in `open`).
        unsafe { self.map.as_mut_ptr().add(size_of::<Header>() + index * self.len) }
    }
}

fn filled(header: *mut Header) -> *mut libc::pthread_cond_t {
    // SAFETY: a place in the header, no reference.
    unsafe { &raw mut (*header).filled }
}

fn emptied(header: *mut Header) -> *mut libc::pthread_cond_t {
    // SAFETY: a place in the header, no reference.
    unsafe { &raw mut (*header).emptied }
}

impl Sender for End {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        if message.len() != self.len {
            return Err("a message of another length".into());
        }
        let slots = self.slots;
        self.locked(
            |h| h.tail - h.head < slots,
            emptied,
            filled,
            |header, end| {
                // SAFETY: the slot is in the mapping, and the lock is held.
                let slot = unsafe { slice::from_raw_parts_mut(end.slot(header.tail), end.len) };
                slot.copy_from_slice(message);
                header.tail += 1;
            },
        )
    }

    fn finish(self) -> Result<(), BoxError> {
        self.locked(|_| true, emptied, filled, |header, _| header.ended = true)
    }
}

impl Receiver for End {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        self.locked(
            |h| h.head < h.tail || h.ended,
            filled,
            emptied,
            |header, end| {
                if header.head == header.tail {
                    return None;
                }
                // SAFETY: the slot is in the mapping, and the lock is held.
                let slot = unsafe { slice::from_raw_parts(end.slot(header.head), end.len) };
                header.head += 1;
                Some(look(slot))
            },
        )
    }
}
