//! The commands in the documents and in the help do what they are there for.
//!
//! Each block of shell in `README.md` and `docs/*.md` is run as it stands, and each example
//! of each verb's help. A block that cannot be run in a test says so, and why, in the line
//! above it:
//!
//! ```text
//! <!-- not run: takes ten minutes -->
//! ```

#[path = "../cli/support.rs"]
#[allow(dead_code)]
mod support;

mod help;
mod markdown;
mod sandbox;
