//! The models, one module per family. Each says which outcomes it accepts and
//! what it would catch.

pub(crate) mod broadcast;
pub(crate) mod broadcast_dies;
pub(crate) mod broadcast_evict;
pub(crate) mod broadcast_wake;
pub(crate) mod cleaner;
pub(crate) mod consumer_dies;
pub(crate) mod end;
pub(crate) mod fences;
pub(crate) mod jobs;
pub(crate) mod jobs_dies;
mod meta;
pub(crate) mod modes;
pub(crate) mod packed;
pub(crate) mod packed_dies;
pub(crate) mod producer_dies;
pub(crate) mod record;
pub(crate) mod roles;
pub(crate) mod sets;
pub(crate) mod shares;
pub(crate) mod slot;
pub(crate) mod slot_batch;
pub(crate) mod slot_dies;
pub(crate) mod slot_resolve;
pub(crate) mod slot_span;
pub(crate) mod slot_span_dies;
pub(crate) mod slot_wake;
pub(crate) mod wake;

use crate::frame::Model;

/// Every model of the rings.
pub(crate) const FAMILIES: &[&[Model]] = &[
    broadcast::MODELS,
    broadcast_dies::MODELS,
    broadcast_evict::MODELS,
    broadcast_wake::MODELS,
    cleaner::MODELS,
    consumer_dies::MODELS,
    end::MODELS,
    fences::MODELS,
    jobs::MODELS,
    jobs_dies::MODELS,
    modes::MODELS,
    packed::MODELS,
    packed_dies::MODELS,
    producer_dies::MODELS,
    record::MODELS,
    roles::MODELS,
    sets::MODELS,
    shares::MODELS,
    slot::MODELS,
    slot_batch::MODELS,
    slot_dies::MODELS,
    slot_resolve::MODELS,
    slot_span::MODELS,
    slot_span_dies::MODELS,
    slot_wake::MODELS,
    wake::MODELS,
];

/// Models that must fail, as a party in them leaves out what the callers of the ring, or its
/// implementations in other programs, have to do.
pub(crate) const OMISSIONS: [&[Model]; 5] = [
    &slot_wake::WITHOUT_BATON,
    &modes::FAULTS,
    &sets::FAULTS,
    &broadcast_wake::FAULTS,
    &jobs::FAULTS,
];
