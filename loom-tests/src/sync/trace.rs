//! The operations of one execution, to be printed if it fails.
//!
//! The state is per OS thread, as in [`canary`](super::canary). loom's own log has neither
//! locations in `ring` nor values, and prints each operation of each execution.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{Arguments, Write as _};
use std::io::Write as _;
use std::panic::{self, Location};

/// Names the model to trace.
const SWITCH: &str = "SHMRING_LOOM_TRACE";

#[derive(Default)]
struct Trace {
    execution: usize,
    lines: String,
    /// Numbers of the words, by address, in the order of their first use.
    words: HashMap<usize, usize>,
}

std::thread_local! {
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// Traces the model that this OS thread runs from now on, if the environment names it.
pub(crate) fn start(model: &str) {
    if std::env::var(SWITCH).is_ok_and(|traced| traced == model) {
        TRACE.set(Some(Trace::default()));
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            default(info);
            print();
        }));
    }
}

/// Forgets the execution before.
pub(crate) fn next_execution() {
    TRACE.with_borrow_mut(|trace| {
        if let Some(trace) = trace {
            *trace = Trace { execution: trace.execution + 1, ..Trace::default() };
        }
    });
}

/// Records what the running thread has done to the word at `address`.
pub(super) fn word<T>(caller: &Location<'_>, address: *const T, what: Arguments<'_>) {
    TRACE.with_borrow_mut(|trace| {
        if let Some(trace) = trace {
            let next = trace.words.len();
            let word = *trace.words.entry(address.addr()).or_insert(next);
            trace.push(&place(caller), format_args!("word {word}: {what}"));
        }
    });
}

/// Records a fence, a barrier or a death.
pub(super) fn event(caller: Option<&Location<'_>>, what: &str) {
    TRACE.with_borrow_mut(|trace| {
        if let Some(trace) = trace {
            trace.push(&caller.map(place).unwrap_or_default(), format_args!("{what}"));
        }
    });
}

impl Trace {
    fn push(&mut self, place: &str, what: Arguments<'_>) {
        let thread = format!("{:?}", loom::thread::current().id());
        let thread = thread.trim_start_matches("ThreadId(").trim_end_matches(')');
        writeln!(self.lines, "  thread {thread}  {place:<38}  {what}")
            .expect("a string is long enough");
    }
}

/// The file, from the package on, and the line.
fn place(caller: &Location<'_>) -> String {
    let file = caller.file().rsplit("../").next().unwrap_or_default();
    format!("{}:{}", file.trim_start_matches("shmring/src/"), caller.line())
}

/// Prints what the execution did until now, once.
fn print() {
    let Some(trace) = TRACE.take() else { return };
    let text = format!("\nexecution {}, in its order:\n{}\n", trace.execution, trace.lines);
    // Not eprintln!, which the test harness captures.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
