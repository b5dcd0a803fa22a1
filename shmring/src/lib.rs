//! tmp
mod ring;
mod sync;
mod sys;
