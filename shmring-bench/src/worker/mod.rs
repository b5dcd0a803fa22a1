//! Worker processes: the same executable, started again with a job.
//!
//! A worker gets its job as a JSON argument and talks with the parent over a socket that is its
//! standard input, so that neither side's standard output is touched. It is killed by the kernel
//! when the parent's thread that started it ends, and by the parent when that gives up. It sits in
//! a process group of its own: a Ctrl-C at the terminal reaches the parent, which decides.
//!
//! Some tasks are carried on by a dialog: over a socket of its own, the parent gives orders and the
//! worker answers each.
//!
//! What tasks there are is not known here: a task is anything that serialises.

mod control;
mod crew;
mod dialog;
mod entry;
mod fds;

pub use control::Control;
pub use crew::{Crew, Tick};
pub use dialog::{Dialog, Silence};
pub use entry::serve;
