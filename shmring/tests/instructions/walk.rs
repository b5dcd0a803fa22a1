//! The way through an operation, instruction by instruction, and how to get to a point
//! of it.
//!
//! A point is (calls, steps): so many stops at system calls, entries and exits counted
//! alike, and so many instructions after the last of them. An operation is walked once in
//! single steps, by one victim or several. To reach a point later, the victim runs freely
//! to the system call, then to a breakpoint at the last instruction before the point that it has not come by since,
//! and steps only from there.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::str::FromStr;

use crate::victim::Victim;

/// The most single steps on the way to a point that was not chosen for a reason.
const MAX_STEPS: usize = 256;

/// Victims that look for a way that one of them went, before it counts for nothing.
const MAX_LOST: usize = 3;

/// Which points of an operation are to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Around each system call, after each change of the segment, and some others.
    Sample,
    /// All.
    Every,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) calls: usize,
    /// 1 at the entry of a system call means: asleep in it.
    pub(crate) steps: usize,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.calls, self.steps)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |part: &str| part.trim().parse().map_err(|_| format!("no point: {text}"));
        let (calls, steps) = text.split_once(',').ok_or(format!("no point: {text}"))?;
        Ok(Self { calls: parse(calls)?, steps: parse(steps)? })
    }
}

/// A segment's bytes, as they were at the last look.
#[derive(Debug)]
pub(crate) struct Image {
    file: File,
    bytes: Vec<u8>,
    found: Vec<u8>,
}

impl Image {
    pub(crate) fn of(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let len = file.metadata().unwrap().len() as usize;
        let mut image = Self { file, bytes: vec![0; len], found: vec![0; len] };
        image.changed();
        image
    }

    fn changed(&mut self) -> bool {
        self.file.read_exact_at(&mut self.found, 0).unwrap();
        let changed = self.found != self.bytes;
        std::mem::swap(&mut self.found, &mut self.bytes);
        changed
    }
}

/// What lies between two stops at system calls.
#[derive(Debug, Default)]
struct Gap {
    /// Address of each instruction; the last one is the next system call.
    ips: Vec<u64>,
    /// For each step the last one up to it whose instruction came then for the first time.
    landings: Vec<usize>,
    seen: HashSet<u64>,
    /// Steps after which the segment had changed.
    changes: Vec<usize>,
    /// In a system call, whether the victim slept there.
    sleeps: bool,
    /// Whether only the first instruction was looked at.
    passed: bool,
}

impl Gap {
    fn at(ip: u64) -> Self {
        let mut gap = Self::default();
        gap.push(ip);
        gap
    }

    /// Whether a victim is where this begins.
    fn starts_at(&self, victim: &Victim) -> bool {
        self.ips.first() == Some(&victim.ip())
    }

    fn push(&mut self, ip: u64) {
        let first = self.seen.insert(ip);
        let last = self.landings.last().copied().unwrap_or(0);
        self.landings.push(if first { self.ips.len() } else { last });
        self.ips.push(ip);
    }

    /// Forgets what comes after so many steps.
    fn cut(&mut self, steps: usize) {
        self.ips.truncate(steps + 1);
        self.landings.truncate(steps + 1);
        self.changes.retain(|&step| step <= steps);
        self.seen = self.ips.iter().copied().collect();
    }
}

/// The way through an operation, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Whether another thread of the victim may come by a breakpoint, which would kill it.
    has_threads: bool,
    /// After so many stops at system calls, by index.
    gaps: Vec<Gap>,
    /// Where the last part begins, that one victim went and no other yet.
    last_part: Point,
    /// How many victims in a row lost the way there.
    lost: usize,
}

impl Walk {
    pub(crate) fn new(has_threads: bool) -> Self {
        Self { has_threads, ..Self::default() }
    }

    /// Goes on from where the way is known to, for `most` single steps; whether that led
    /// to the last mark. On the clock, a single step takes as long as ten thousand
    /// instructions: where time matters, many victims each go a part of the way. What
    /// `pass` says is passed at full speed, up to the next system call.
    pub(crate) fn extend(
        &mut self,
        victim: &Victim,
        image: &mut Image,
        most: usize,
        pass: impl Fn() -> bool,
        mut asleep: impl FnMut(),
    ) -> bool {
        if let Some(gap) = self.gaps.last() {
            let point = Point { calls: self.gaps.len() - 1, steps: gap.ips.len() - 1 };
            if !reach(victim, Some(self), point, &mut asleep) {
                self.lose();
                return false;
            }
            (self.lost, self.last_part) = (0, point);
        } else {
            self.gaps.push(Gap { passed: pass(), ..Gap::at(victim.ip()) });
        }
        image.changed();
        let mut steps = 0;
        while let Some(gap) = self.gaps.last_mut() {
            if gap.passed || gap.ips.last().is_some_and(|&ip| victim.is_call(ip)) {
                victim.run();
                let mut call = Gap::at(victim.ip());
                if victim.is_at_end() {
                    self.gaps.push(call);
                    return true;
                }
                call.sleeps = victim.run_out(&mut asleep);
                self.gaps.push(call);
                self.gaps.push(Gap { passed: pass(), ..Gap::at(victim.ip()) });
                image.changed();
                continue;
            }
            if steps == most {
                return false;
            }
            steps += 1;
            victim.step();
            if image.changed() {
                gap.changes.push(gap.ips.len());
            }
            gap.push(victim.ip());
        }
        false
    }

    /// Another victim may find the way again. If not, the last part of it was a chance.
    fn lose(&mut self) {
        self.lost += 1;
        if self.lost <= MAX_LOST {
            return;
        }
        self.lost = 0;
        self.gaps.truncate(self.last_part.calls + 1);
        if let Some(gap) = self.gaps.last_mut() {
            gap.cut(self.last_part.steps);
        }
    }

    fn all(&self) -> impl Iterator<Item = Point> {
        self.gaps.iter().enumerate().flat_map(|(calls, gap)| {
            (0..gap.ips.len() + usize::from(gap.sleeps)).map(move |steps| Point { calls, steps })
        })
    }

    /// Whether a point is to be tried in any case: at a system call, or after a change of
    /// the segment, or just before either.
    fn is_turn(&self, point: Point) -> bool {
        let gap = &self.gaps[point.calls];
        point.steps == 0
            || point.steps + 1 >= gap.ips.len()
            || gap.changes.iter().any(|&step| step == point.steps || step == point.steps + 1)
    }

    /// The points to try, in order.
    pub(crate) fn points(&self, depth: Depth, others: usize) -> Vec<Point> {
        let turns = self.all().filter(|&point| self.is_turn(point)).count();
        let stride = match depth {
            Depth::Every => 1,
            Depth::Sample => (self.all().count() - turns).div_ceil(others.max(1)).max(1),
        };
        let near = |point: Point| {
            let landing = self.gaps[point.calls].landings.get(point.steps);
            landing.is_none_or(|landing| point.steps - landing <= MAX_STEPS)
        };
        let points = self.all().enumerate();
        points
            .filter(|&(index, point)| {
                self.is_turn(point) || (index.is_multiple_of(stride) && near(point))
            })
            .map(|(_, point)| point)
            .collect()
    }

    pub(crate) fn instructions(&self) -> usize {
        self.gaps.iter().step_by(2).map(|gap| gap.ips.len()).sum()
    }

    pub(crate) fn calls(&self) -> usize {
        (self.gaps.len() / 2).saturating_sub(1)
    }

    pub(crate) fn changes(&self) -> usize {
        self.gaps.iter().map(|gap| gap.changes.len()).sum()
    }
}

/// Brings a victim from its first mark to a point, by the shortest way if the walk is
/// known; whether it came there, and not elsewhere.
pub(crate) fn reach(
    victim: &Victim,
    walk: Option<&Walk>,
    point: Point,
    mut asleep: impl FnMut(),
) -> bool {
    // Another way may have as many stops: one on which a sleep was over sooner.
    let is_on_the_way = |calls: usize| walk.is_none_or(|walk| walk.gaps[calls].starts_at(victim));
    for call in 0..point.calls {
        if call % 2 == 1 {
            victim.run_out(&mut asleep);
        } else {
            victim.run();
            if victim.is_at_end() {
                return call + 1 == point.calls && point.steps == 0 && is_on_the_way(call + 1);
            }
        }
        if !is_on_the_way(call + 1) {
            return false;
        }
    }
    if point.calls % 2 == 1 {
        return point.steps == 0 || victim.fall_asleep();
    }
    let mut steps = point.steps;
    if let Some(walk) = walk {
        let gap = &walk.gaps[point.calls];
        let landing = if walk.has_threads { 0 } else { gap.landings[steps] };
        if landing > 0 && !victim.run_to(gap.ips[landing]) {
            return false;
        }
        steps -= landing;
    }
    for _ in 0..steps {
        if victim.is_call(victim.ip()) {
            return false;
        }
        victim.step();
    }
    true
}
