//! Which model notices which weakening: a list for each kind of ring, and one for
//! what they share.

mod broadcast;
mod jobs;
mod packed;
mod record;
mod shared;
mod slot;

use crate::frame::Model;
use crate::sync::canary::Weakening;

/// A line of `ring`: its file, its trimmed text, and which of the lines with that
/// text it is, from 1.
pub(super) type Site = (&'static str, &'static str, usize);

/// A weakening, and the model that must fail under it.
pub(super) struct Canary {
    pub(super) site: Site,
    pub(super) weakening: Weakening,
    pub(super) caught_by: Model,
}

/// A weakening that no model can notice, and why it must not happen all the same.
pub(super) struct Allowed {
    pub(super) site: Site,
    pub(super) weakening: Weakening,
    pub(super) reason: &'static str,
}

const fn canary(site: Site, weakening: Weakening, caught_by: Model) -> Canary {
    Canary { site, weakening, caught_by }
}

const fn allowed(site: Site, weakening: Weakening, reason: &'static str) -> Allowed {
    Allowed { site, weakening, reason }
}

/// Every canary.
pub(super) fn canaries() -> impl Iterator<Item = &'static Canary> {
    [
        broadcast::CANARIES,
        jobs::CANARIES,
        record::CANARIES,
        slot::CANARIES,
        packed::CANARIES,
        shared::CANARIES,
    ]
    .into_iter()
    .flatten()
}

/// Every weakening that is allowed.
pub(super) fn exceptions() -> impl Iterator<Item = &'static Allowed> {
    [
        broadcast::ALLOWED,
        jobs::ALLOWED,
        record::ALLOWED,
        slot::ALLOWED,
        packed::ALLOWED,
        shared::ALLOWED,
    ]
    .into_iter()
    .flatten()
}
