//! A library that guards a segment, as one that a program opens and closes again.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};

use shmring::AttachOptions;

/// Attaches to a segment with a guard, uses it and detaches; whether that worked.
///
/// # Safety
/// `name` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn use_guarded(name: *const c_char) -> bool {
    // SAFETY: promised by the caller.
    let Ok(name) = unsafe { CStr::from_ptr(name) }.to_str() else {
        return false;
    };
    let segment = AttachOptions::new().guard(true).attach(name);
    segment.is_ok_and(|segment| segment.producer().is_ok_and(|mut tx| tx.send(b"x").is_ok()))
}
