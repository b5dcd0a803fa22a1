//! What a model is, and how it is run.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sync::{crash, trace};

/// Kill points after which a victim must have come to its end.
const MAX_KILL_POINTS: u64 = 400;
/// Scheduling points in one execution. More means a loop that waits without yielding.
const MAX_BRANCHES: usize = 10_000;
const MAX_THREADS: usize = 4;
/// Set in a process that explores a single model.
const ALONE: &str = "SHMRING_MODEL_ALONE";

/// A concurrent program and what is known about its exploration.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    /// Path of its test. Ends with the bound: `..._bound_2`, or `..._unbounded`.
    pub(crate) name: &'static str,
    /// Preemptions that an execution may have; any number if `None`.
    pub(crate) bound: Option<usize>,
    /// Fewer executions than this mean that loom skips some that it explored
    /// when the model was written.
    pub(crate) at_least: usize,
    pub(crate) body: Body,
}

/// The program.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    Plain(fn()),
    /// With a victim that is killed at the given operation. Run for 0, 1, 2, ...
    /// until the victim reaches its end in every execution.
    Deadly(fn(u64)),
}

/// How much was explored.
pub(crate) struct Explored {
    pub(crate) executions: usize,
    pub(crate) kill_points: u64,
}

impl Model {
    /// Checks the model in a process of its own: loom maps and unmaps stacks in each
    /// execution, for which the threads of one process wait on each other.
    pub(crate) fn check_alone(&self) {
        if env::var_os(ALONE).is_some() {
            return self.check();
        }
        let (_, test) = self.name.split_once("::").expect("the path starts with the crate");
        let output = Command::new(env::current_exe().expect("this test has a file"))
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ALONE, "")
            .stderr(Stdio::inherit())
            .output()
            .expect("the test can run itself");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{test}:\n{said}");
    }

    /// Explores the model, reports, and insists on the recorded minimum. Panics
    /// when an execution does.
    pub(crate) fn check(&self) {
        let bound = self.bound.map_or("none".to_owned(), |bound| bound.to_string());
        let ending = self.bound.map_or("_unbounded".to_owned(), |_| format!("_bound_{bound}"));
        assert!(self.name.ends_with(&ending), "{} does not say its bound", self.name);
        let name = self.name.trim_start_matches("loom_tests::models::");
        trace::start(name);
        let Explored { executions, kill_points } = self.explore(self.bound);
        let kills = match self.body {
            Body::Plain(_) => String::new(),
            Body::Deadly(_) => format!(", {kill_points} kill points"),
        };
        let line = format!("model {name}: {executions} executions, bound {bound}{kills}\n");
        // Not eprintln!, which the test harness captures.
        std::io::stderr().write_all(line.as_bytes()).expect("stderr is open");
        assert!(
            executions >= self.at_least,
            "{}: only {executions} executions instead of {}",
            self.name,
            self.at_least
        );
    }

    /// Explores the model within `bound`. Panics when an execution does.
    pub(crate) fn explore(&self, bound: Option<usize>) -> Explored {
        match self.body {
            Body::Plain(body) => Explored { executions: explore(bound, body), kill_points: 0 },
            Body::Deadly(body) => {
                let mut executions = 0;
                for kill_at in 0..MAX_KILL_POINTS {
                    crash::reset_deaths();
                    executions += explore(bound, move || body(kill_at));
                    if crash::deaths() == 0 {
                        return Explored { executions, kill_points: kill_at };
                    }
                }
                panic!("{}: the victim never reaches its end", self.name);
            }
        }
    }
}

/// Runs `body` once for each execution that loom finds, and counts them.
fn explore(bound: Option<usize>, body: impl Fn() + Send + Sync + 'static) -> usize {
    // Every setting, so that loom's environment variables change nothing.
    let mut loom = loom::model::Builder::new();
    loom.max_threads = MAX_THREADS;
    loom.max_branches = MAX_BRANCHES;
    loom.max_permutations = None;
    loom.max_duration = None;
    loom.preemption_bound = bound;
    loom.checkpoint_file = None;
    loom.expect_explicit_explore = false;
    loom.location = false;
    loom.log = false;
    let executions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executions);
    loom.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        trace::next_execution();
        body();
    });
    executions.load(Ordering::Relaxed)
}

/// Declares the models of a family: each as a constant and as a test, and all
/// of them as `MODELS`. A model `runs` its program, or `kills` a victim in it.
macro_rules! models {
    (@bound none) => { None };
    (@bound $bound:literal) => { Some($bound) };
    (@body runs $program:ident) => { crate::frame::Body::Plain($program) };
    (@body kills $program:ident) => { crate::frame::Body::Deadly($program) };
    ($(
        $constant:ident: $test:ident, bound $bound:tt, at least $at_least:literal,
        $kind:ident $program:ident;
    )*) => {
        pub(crate) const MODELS: &[crate::frame::Model] = &[$($constant),*];
        $(
            pub(crate) const $constant: crate::frame::Model = crate::frame::Model {
                name: concat!(module_path!(), "::", stringify!($test)),
                bound: crate::frame::models!(@bound $bound),
                at_least: $at_least,
                body: crate::frame::models!(@body $kind $program),
            };

            #[test]
            fn $test() {
                $constant.check_alone();
            }
        )*
    };
}
pub(crate) use models;
