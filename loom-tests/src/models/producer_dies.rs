//! 
use crate::frame::models;
models!{}
