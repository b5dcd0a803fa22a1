//! The models, one module per family. Each says which outcomes it accepts and
//! what it would catch.

pub(crate) mod cleaner;
pub(crate) mod consumer_dies;
pub(crate) mod end;
mod meta;
pub(crate) mod producer_dies;
pub(crate) mod record;
pub(crate) mod roles;
pub(crate) mod wake;

use crate::frame::Model;

/// Every model of the ring.
pub(crate) const FAMILIES: [&[Model]; 7] = [
    cleaner::MODELS,
    consumer_dies::MODELS,
    end::MODELS,
    producer_dies::MODELS,
    record::MODELS,
    roles::MODELS,
    wake::MODELS,
];
