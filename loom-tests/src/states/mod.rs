//! The slot ring, state by state: the algorithm of `ring/slot` written down once
//! more as steps, and every state that they can lead to.
//!
//! loom runs the very code and knows weak memory, but says only that no execution
//! within a bound goes wrong. Here memory is sequentially consistent and a step is
//! one access to something shared; in return nothing is bounded but the
//! configuration, a party can be killed before every step, and a question can be
//! asked that no execution answers: is there a way on from everywhere?
//!
//! ```text
//! config     who takes part, and which rule of the algorithm is left out
//! memory     what shared memory is made of
//! parties    where each party is
//! state      all of both
//! moves      steps, and what none of them may do
//! producer   join, announce, claim, write, publish or give up, leave
//! consumer   look, copy, take, skip tombstones
//! span       a message that takes several slots, at both ends
//! resolve    the consumer that is stuck behind a ticket
//! steps      all that can happen next, deaths and the cleaner included
//! search     every state, breadth first, and the way back from the end
//! ```
//!
//! The accesses are those of the code, in its order; nothing but reading checks that.
//! Left out are sleeping and waking, and sides with a sole handle, which neither
//! announce nor compete.
//!
//! Accepted in every state:
//! - what is delivered was published, is whole, comes once, and in its producer's order;
//! - a resolver's tombstone goes on an unpublished ticket of a dead producer only, and
//!   nothing is published over it;
//! - without another death, everything that was published can still be delivered, all
//!   the living come to their end, and head reaches tail.
//!
//! The last is what "no wedge" means.

mod config;
mod configurations;
mod consumer;
mod memory;
mod moves;
mod parties;
mod producer;
mod resolve;
mod search;
mod span;
mod state;
mod steps;

use std::io::Write;

use config::{Config, Rule};
use search::{Failure, Fault};

/// Explores a configuration of which at least `at_least` states were known, reports,
/// and insists that all is well in each of them.
fn holds(config: Config, at_least: usize) {
    match search::explore(&config) {
        Ok(states) => {
            let line = format!("states {config}: {states} states\n");
            // Not eprintln!, which the test harness captures.
            std::io::stderr().write_all(line.as_bytes()).expect("stderr is open");
            assert!(states >= at_least, "{config}: only {states} states instead of {at_least}");
        }
        Err(failure) => panic!("{config}: {failure}"),
    }
}

/// Leaves `rule` out of a configuration and insists that something goes wrong which
/// `is_expected`.
fn breaks(config: Config, rule: Rule, is_expected: impl Fn(&Fault) -> bool) {
    let config = config.without(rule);
    match search::explore(&config) {
        Ok(states) => panic!("{config}: not noticed in {states} states"),
        Err(Failure { fault, .. }) if is_expected(&fault) => {
            let line = format!("states {config}: {fault}\n");
            std::io::stderr().write_all(line.as_bytes()).expect("stderr is open");
        }
        Err(failure) => panic!("{config}: something else than expected: {failure}"),
    }
}
