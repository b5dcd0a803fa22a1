//! The slot ring.

use crate::frame::models;

models! {}
