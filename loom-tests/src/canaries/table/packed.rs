//! The packed ring.

use super::{Allowed, Canary};

pub(super) const CANARIES: &[Canary] = &[];

pub(super) const ALLOWED: &[Allowed] = &[];
