//! What it costs to copy: `cargo bench -p shmring-bench --bench copy`.
//!
//! - `short`: from which length on a block of machine code copies faster than a loop over
//!   words, on one CPU.
//! - `between`: the routines for longer copies, as messages cross from one CPU to another.
//!
//! `-- short` and `-- between` run one of them. The very files of `shmring` are compiled
//! here, as only the choice between them is visible from outside.

mod between;
mod short;

#[path = "../../../shmring/src/memory/copy/block.rs"]
mod block;
#[path = "../../../shmring/src/memory/copy/machine/mod.rs"]
mod machine;
#[path = "../../../shmring/src/memory/copy/words.rs"]
mod words;

/// What the copy routines import.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
}

fn main() -> Result<(), between::Failure> {
    let part = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    if "between".starts_with(&part) {
        between::draw()?;
    }
    if !part.starts_with("between") {
        let mut criterion = criterion::Criterion::default().configure_from_args();
        short::compare(&mut criterion);
        criterion.final_summary();
    }
    Ok(())
}
