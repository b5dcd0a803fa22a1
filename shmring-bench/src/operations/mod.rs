//! What single verbs of the library cost in one process, where no cache line moves and nobody
//! sleeps: the criterion benches time them, and [`crate::instructions`] counts their instructions.
//!
//! Each operation checks what it moves: a receive compares the word with the one that was to come,
//! and what was sent is received and compared before the next turn.

mod lifecycle;
mod rings;

use crate::contender::BoxError;

/// An operation, ready to be repeated.
pub trait Repeat {
    /// Lets [`Operation::most`] repetitions follow, and checks those that came before.
    fn ready(&mut self) -> Result<(), BoxError>;
    /// Does it so many times.
    fn run(&mut self, count: u64) -> Result<(), BoxError>;
}

/// A verb of one kind of ring.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What is done.
    pub verb: &'static str,
    /// To which ring.
    pub ring: &'static str,
    /// How often it can be repeated without a [`Repeat::ready`] in between.
    pub most: u64,
    make: fn() -> Result<Box<dyn Repeat>, BoxError>,
}

impl Operation {
    /// Makes the ring, and has the operation done and checked before anything is measured.
    ///
    /// # Errors
    /// If the ring cannot be made, or does wrong.
    pub fn prepare(&self) -> Result<Box<dyn Repeat>, BoxError> {
        let mut repeat = (self.make)()?;
        for count in [1, self.most, self.most / 2] {
            repeat.ready()?;
            repeat.run(count)?;
        }
        repeat.ready()?;
        Ok(repeat)
    }
}

/// All of them, a verb at a time.
pub fn all() -> Vec<Operation> {
    let mut all = rings::all();
    all.extend(lifecycle::ALL);
    // Stable: the rings of a verb stay in their order.
    let verbs: Vec<&str> = all.iter().map(|operation| operation.verb).collect();
    let first = |verb: &str| verbs.iter().position(|other| *other == verb);
    all.sort_by_key(|operation| first(operation.verb));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches an operation that does wrong, or that is measured without being able to tell.
    #[test]
    fn every_operation_does_what_it_says() {
        let all = all();
        for (index, operation) in all.iter().enumerate() {
            let Operation { verb, ring, .. } = operation;
            if let Err(error) = operation.prepare() {
                panic!("{verb}, {ring}: {error}");
            }
            let same = |other: &&Operation| other.verb == *verb && other.ring == *ring;
            assert_eq!(all.iter().filter(same).count(), 1, "{index}: {verb}, {ring}");
        }
    }
}
