//! The process that has victims killed, one for each point of each case.

use std::time::Instant;

use crate::case::{Case, Op, Scene};
use crate::cases::GROUPS;
use crate::common::child::say;
use crate::guard::{self, Place};
use crate::play::play;
use crate::stage::Stage;
use crate::victim::{Mark, Victim};
use crate::walk::{Depth, Image, Point, Walk, reach};

/// Points of a sample that are chosen for no other reason than to be spread evenly.
const OTHERS: usize = 8;

/// Single steps of one victim while a peer sleeps: they take less time than the first sleep.
const TIMED_STEPS: usize = 25;
/// As above, beside the thread of a reactor, which rests when nothing was armed for 100 ms.
const THREADED_STEPS: usize = 1000;
/// Victims for one point, until one comes there.
const TRIES: usize = 4;
/// Victims that are spent on finding the way.
const MAX_VICTIMS: usize = 2000;

/// Whether a child can be traced here, or why not.
fn permitted() -> Result<(), String> {
    let mark = Mark::new;
    Victim::start(|| mark().around(|| ())).map(|victim| victim.step())
}

/// Keeps to one CPU: a step then costs a switch of context and no wake of another CPU.
fn pin(cpu: usize) {
    // SAFETY: a set of CPUs is plain bits, and the call reads the given number.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        // Best effort: it is only slower without.
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// In the conductor: kills victims of a group, at all points or some, or at one.
pub(crate) fn conduct(args: &[String]) {
    let [group, depth, cpu, replay, _] = args else { panic!("{args:?}") };
    if let Err(why) = permitted() {
        say(format!("skipped: {why}"));
        return;
    }
    if let Ok(cpu) = cpu.parse() {
        pin(cpu);
    }
    if !replay.is_empty() {
        say(replay_point(replay));
        return;
    }
    let depth = if depth == "every" { Depth::Every } else { Depth::Sample };
    let (_, cases) = GROUPS.into_iter().find(|(name, _)| name == group).expect("a group");
    let wanted = |case: &Case| depth == Depth::Every || case.is_in_sample();
    for case in cases().into_iter().filter(wanted) {
        say(kill_everywhere(case, depth));
    }
}

/// Kills at the one point that the text names: `<case> @ <point>`.
fn replay_point(text: &str) -> String {
    let (name, point) = text.split_once('@').expect("a case, @, and a point");
    let all = GROUPS.into_iter().flat_map(|(_, cases)| cases());
    let case = all.into_iter().find(|case| case.to_string() == name.trim()).expect("a case");
    let _place = Place;
    guard::enter(case);
    let (done, there) = kill_at(case, None, point.trim().parse().unwrap());
    format!("{text}: {done} of the victim's messages were done; the point was met: {there}")
}

/// Kills a victim at each point that is to be tried, from the first to the last.
fn kill_everywhere(case: Case, depth: Depth) -> String {
    let start = Instant::now();
    let _place = Place;
    guard::enter(case);
    let (walk, complete) = record(case, depth);
    let all = case.op.sends() + case.takes();
    assert!(complete.is_none_or(|done| done == all), "a complete operation");
    let points = walk.points(depth, OTHERS);
    let (mut missed, mut last) = (0, 0);
    for &point in &points {
        let tries = (0..TRIES).map(|_| kill_at(case, Some(&walk), point));
        let found = tries.into_iter().find(|&(_, there)| there);
        let Some((done, _)) = found else {
            missed += 1;
            continue;
        };
        // What was done stays done, and nothing is before the beginning.
        assert!(done >= last, "{done} done, but {last} at an earlier point");
        assert!(point > Point::default() || done == 0, "done before the beginning");
        last = done;
    }
    assert!(last == all || complete.is_none() || missed > 0, "done at the end");
    let (instructions, calls, changes) = (walk.instructions(), walk.calls(), walk.changes());
    let mut missed =
        if missed == 0 { String::new() } else { format!(" ({missed} of them elsewhere)") };
    if complete.is_none() {
        missed.push_str(" (not to the end: each victim took another way)");
    }
    format!(
        "{case}: {} kills{missed} over {instructions} instructions, {calls} system calls and \
         {changes} changes of the segment, in {:.1} s",
        points.len(),
        start.elapsed().as_secs_f64()
    )
}

fn start(case: Case) -> (Stage, Victim) {
    let mut stage = Stage::set(case);
    let victim = Victim::start(|| play(case, &stage.name)).unwrap();
    stage.start();
    (stage, victim)
}

/// Walks victims through the operation; the way, and if it led to the end, what the one
/// that was killed there had done.
fn record(case: Case, depth: Depth) -> (Walk, Option<usize>) {
    let most = match (case.scene, case.op) {
        (Scene::Sleeper | Scene::Asleep | Scene::Beside, Op::Arm) => THREADED_STEPS,
        (Scene::Sleeper | Scene::Asleep | Scene::Beside, Op::Select) => 3 * TIMED_STEPS,
        (Scene::Sleeper | Scene::Asleep | Scene::Beside, _) => TIMED_STEPS,
        _ => usize::MAX,
    };
    let mut walk = Walk::new(case.op == Op::Arm);
    for _ in 0..MAX_VICTIMS {
        let (mut stage, victim) = start(case);
        let path = stage.name.path();
        let mut image = Image::of(&path);
        // A process that has not mapped the segment cannot change it.
        let pass = || depth == Depth::Sample && !victim.has_mapped(&path);
        let complete = walk.extend(&victim, &mut image, most, pass, || stage.wake_victim());
        drop(victim);
        let done = stage.survive();
        if complete {
            return (walk, Some(done));
        }
        // Time for the watch to start again.
        guard::at(Point::default());
    }
    (walk, None)
}

/// Kills a victim at a point; what it had done, and whether it came to that point.
fn kill_at(case: Case, walk: Option<&Walk>, point: Point) -> (usize, bool) {
    guard::at(point);
    let (mut stage, victim) = start(case);
    let there = reach(&victim, walk, point, || stage.wake_victim());
    guard::killed(victim.try_ip());
    drop(victim);
    (stage.survive(), there)
}
