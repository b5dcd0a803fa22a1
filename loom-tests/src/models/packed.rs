//! The packed ring.

use crate::frame::models;

models! {}
