//! Every state, breadth first, and the way back from the end.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use super::config::Config;
use super::moves::{Moves, Party, Violation};
use super::state::State;
use super::steps::steps;

/// States after which a configuration is too large to be a test.
const MAX_STATES: usize = 4_000_000;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Violation(Violation),
    /// From so many states there is no way to the end.
    Wedge {
        states: usize,
    },
}

/// What went wrong, and a shortest way there.
pub(super) struct Failure {
    pub(super) fault: Fault,
    way: Vec<(Party, State)>,
}

/// All states that were found, by number.
#[derive(Default)]
struct Graph {
    numbers: HashMap<State, u32, BuildHasherDefault<StateHasher>>,
    /// For each state the one from which it was found first.
    parents: Vec<u32>,
    /// The states that follow on each without a death, one state's after the other.
    next: Vec<u32>,
    /// Where each state's begin in `next`.
    next_begin: Vec<usize>,
    /// Whether the end can be reached.
    can_end: Vec<bool>,
}

/// Explores all states of a configuration; how many there are.
pub(super) fn explore(config: &Config) -> Result<usize, Failure> {
    let mut graph = Graph::default();
    let mut moves = Moves::default();
    let start = State::new(config).canonical();
    graph.number(start, 0);
    // States in the order of their numbers.
    let mut waiting = VecDeque::from([start]);
    while let Some(state) = waiting.pop_front() {
        let number = graph.next_begin.len() as u32;
        graph.next_begin.push(graph.next.len());
        graph.can_end.push(state.is_end());
        if let Err((party, violation)) = steps(config, &state, &mut moves) {
            let mut way = graph.way_to(config, number);
            way.push((party, state));
            return Err(Failure { fault: Fault::Violation(violation), way });
        }
        for (party, after) in moves.drain() {
            let (to, is_new) = graph.number(after, number);
            if is_new {
                waiting.push_back(after);
            }
            if party != Party::Killer {
                graph.next.push(to);
            }
        }
        assert!(graph.parents.len() <= MAX_STATES, "{config}: more than {MAX_STATES} states");
    }
    graph.next_begin.push(graph.next.len());
    match graph.wedge(config) {
        Some(failure) => Err(failure),
        None => Ok(graph.parents.len()),
    }
}

impl Graph {
    /// The number of a state, and whether it is new.
    fn number(&mut self, state: State, parent: u32) -> (u32, bool) {
        let next = self.parents.len() as u32;
        let number = *self.numbers.entry(state).or_insert(next);
        if number == next {
            self.parents.push(parent);
        }
        (number, number == next)
    }

    /// Goes back from the end until nothing more is found; what was not found then.
    fn wedge(&mut self, config: &Config) -> Option<Failure> {
        let mut is_finished = false;
        while !is_finished {
            is_finished = true;
            // Against the order in which states were found, so that most are done at once.
            for number in (0..self.can_end.len()).rev() {
                let next = &self.next[self.next_begin[number]..self.next_begin[number + 1]];
                if !self.can_end[number] && next.iter().any(|&to| self.can_end[to as usize]) {
                    self.can_end[number] = true;
                    is_finished = false;
                }
            }
        }
        let first = self.can_end.iter().position(|can_end| !can_end)?;
        let states = self.can_end.iter().filter(|&can_end| !can_end).count();
        Some(Failure { fault: Fault::Wedge { states }, way: self.way_to(config, first as u32) })
    }

    /// The steps from the start to the state of a number.
    fn way_to(&self, config: &Config, number: u32) -> Vec<(Party, State)> {
        let mut numbers = vec![number];
        while let Some(&number) = numbers.last()
            && number != 0
        {
            numbers.push(self.parents[number as usize]);
        }
        let mut state = State::new(config).canonical();
        let mut way = Vec::new();
        for number in numbers.into_iter().rev().skip(1) {
            let mut moves = Moves::default();
            // A violation beside this step has nothing to do with it.
            let _ = steps(config, &state, &mut moves);
            let step = moves.drain().find(|(_, after)| self.numbers.get(after) == Some(&number));
            let (party, after) = step.expect("a step leads to each state");
            way.push((party, after));
            state = after;
        }
        way
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(Violation(what)) => f.write_str(what),
            Self::Wedge { states } => write!(f, "wedged in {states} states"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after", self.fault)?;
        self.way.iter().try_for_each(|(party, state)| write!(f, "\n{party:?}: {state:?}"))
    }
}

/// A hash of a few dozen bytes that come one by one: multiply and rotate.
#[derive(Default)]
struct StateHasher(u64);

impl StateHasher {
    /// An odd number without a pattern: 2^64 divided by the golden ratio.
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

    fn mix(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(Self::FACTOR);
    }
}

impl Hasher for StateHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.mix(u64::from(byte)));
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.mix(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}
