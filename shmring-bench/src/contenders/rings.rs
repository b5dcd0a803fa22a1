//! What the contenders that are shmring's have in common.

use shmring::{Config, Segment, WaitMode};

use crate::contender::{BoxError, Place, Prepared, Setting, Wait};
use crate::name::Named;

/// A segment for one run.
pub(super) fn prepare(setting: &Setting, config: Config) -> Result<Prepared, BoxError> {
    let named = Named::create(&setting.name_prefix, &config.prefault(true))?;
    let capacity_bytes = named.segment.description().capacity_bytes;
    Ok(Prepared {
        address: named.name.clone(),
        names: Box::new(named),
        ..Prepared::of_fds(Vec::new(), Vec::new(), capacity_bytes)
    })
}

pub(super) fn attach(place: &Place) -> Result<Segment, BoxError> {
    Ok(Segment::attach(&place.address)?)
}

pub(super) fn mode(setting: &Setting) -> WaitMode {
    match setting.wait {
        Wait::Spin => WaitMode::Spin,
        Wait::Adaptive => WaitMode::Adaptive,
        Wait::Block => WaitMode::Block,
    }
}

/// `Ok(None)` for the end of the stream, which is none of the errors.
pub(super) fn unless_ended<T>(
    result: Result<T, shmring::RecvError>,
) -> Result<Option<T>, BoxError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(shmring::RecvError::Eof) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
