//! What the contenders that are shmring's have in common.

use shmring::{Config, CreateError, Segment, WaitMode};

use crate::contender::{BoxError, Place, Prepared, Setting, Unavailable, Wait};
use crate::name::Named;

/// A segment for one run.
pub(crate) fn prepare(setting: &Setting, config: Config) -> Result<Prepared, BoxError> {
    let named =
        Named::create(&setting.name_prefix, &config.prefault(true)).map_err(unless_lacking)?;
    let capacity_bytes = named.segment.info().ring().capacity_bytes;
    Ok(Prepared {
        address: named.name.clone(),
        names: Box::new(named),
        ..Prepared::of_fds(Vec::new(), Vec::new(), capacity_bytes)
    })
}

/// Tells what the machine lacks from what goes wrong.
fn unless_lacking(error: CreateError) -> BoxError {
    match error {
        CreateError::NoSpace { .. } | CreateError::NoMemory { .. } => {
            Unavailable(error.to_string()).into()
        }
        error => error.into(),
    }
}

pub(crate) fn attach(place: &Place) -> Result<Segment, BoxError> {
    Ok(Segment::attach(&place.address)?)
}

pub(crate) fn mode(setting: &Setting) -> WaitMode {
    match setting.wait {
        Wait::Spin => WaitMode::Spin,
        Wait::Adaptive => WaitMode::Adaptive,
        Wait::Block => WaitMode::Block,
    }
}

/// `Ok(None)` for the end of the stream, which is none of the errors.
#[inline(always)]
pub(crate) fn unless_ended<T>(
    result: Result<T, shmring::RecvError>,
) -> Result<Option<T>, BoxError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(shmring::RecvError::Eof) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The same of a verb that receives into a buffer.
#[inline(always)]
pub(crate) fn unless_ended_into(
    result: Result<usize, shmring::RecvIntoError>,
) -> Result<Option<usize>, BoxError> {
    match result {
        Ok(len) => Ok(Some(len)),
        Err(shmring::RecvIntoError::Recv(shmring::RecvError::Eof)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a small /dev/shm that is held against a ring, and a fault that is taken for a limit.
    #[test]
    fn a_machine_without_room_is_told_from_a_ring_that_fails() {
        let name = || String::from("ring");
        let full = CreateError::NoSpace { name: name(), needed_bytes: 2, free_bytes: 1 };
        assert!(unless_lacking(full).is::<Unavailable>());
        assert!(!unless_lacking(CreateError::Exists { name: name() }).is::<Unavailable>());
    }
}
