//! The strong orderings and the rules of `ring`, found in its text. What no model
//! reaches is found too, which a record of runs could not tell.

use std::collections::BTreeSet;

use crate::sync::Ordering;
use crate::sync::canary::{self, Demotion, Weakening};

/// The text of a file of `ring`, by its path there.
macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../shmring/src/ring/", $path)))
    };
}

/// Every file of `ring`.
const FILES: [(&str, &str); 28] = [
    file!("broadcast/gates.rs"),
    file!("broadcast/join.rs"),
    file!("broadcast/marks.rs"),
    file!("broadcast/mod.rs"),
    file!("broadcast/observe.rs"),
    file!("broadcast/producer.rs"),
    file!("broadcast/subscriber.rs"),
    file!("broadcast/view.rs"),
    file!("jobs/claim.rs"),
    file!("jobs/mod.rs"),
    file!("jobs/worker.rs"),
    file!("mod.rs"),
    file!("packed.rs"),
    file!("record/consumer.rs"),
    file!("record/mod.rs"),
    file!("record/producer.rs"),
    file!("membership.rs"),
    file!("slot/consumer.rs"),
    file!("slot/intent.rs"),
    file!("slot/mod.rs"),
    file!("slot/producer.rs"),
    file!("slot/resolve.rs"),
    file!("slot/stamp.rs"),
    file!("tables.rs"),
    file!("wake/fences.rs"),
    file!("wake/mod.rs"),
    file!("wake/sleep.rs"),
    file!("wake/sleepers.rs"),
];

const TOKEN: &str = "Ordering::";
const RULE: &str = "rule(";
/// The fences that name no ordering.
const BARE_FENCES: [&str; 3] = ["barrier(", "copy_fence(", "settle("];

/// One call with orderings.
struct Call<'a> {
    function: &'a str,
    line: u32,
    orders: Vec<Ordering>,
}

/// Every weakening that `ring` allows, by its text.
pub(super) fn demotions() -> BTreeSet<Demotion> {
    let mut found = BTreeSet::new();
    for (file, text) in FILES {
        for call in calls(file, text) {
            let weakenings = call.weakenings(file);
            let line = call.line;
            for weakening in weakenings {
                let new = found.insert(Demotion { file, line, weakening });
                assert!(
                    new,
                    "{file}:{line}: two calls with orderings, which no demotion tells apart"
                );
            }
        }
        let demotion = |line, weakening| Demotion { file, line, weakening };
        found.extend(bare_calls(text, RULE).map(|line| demotion(line, Weakening::RuleOff)));
        let bare = BARE_FENCES.into_iter().flat_map(|fence| bare_calls(text, fence));
        found.extend(bare.map(|line| demotion(line, Weakening::NoFence)));
    }
    found
}

/// The lines of `text` with a call that starts with `name`.
fn bare_calls(text: &str, name: &str) -> impl Iterator<Item = u32> {
    let calls = text.match_indices(name).map(|(at, _)| at);
    calls
        .filter(|&at| !text[..at].ends_with(is_word) && !is_comment(text, at))
        .map(|at| line(text, at))
}

/// Whether a line of `ring` begins a call that stores.
pub(super) fn stores(file: &str, line: u32) -> bool {
    let (_, text) = FILES.iter().find(|(name, _)| *name == file).expect("a file of ring");
    calls(file, text).iter().any(|call| call.line == line && call.function == "store")
}

/// The `nth` line of `file`, counted from 1, whose trimmed text is `text`.
pub(super) fn line_of(file: &str, text: &str, nth: usize) -> Option<u32> {
    let (_, source) = FILES.iter().find(|(name, _)| *name == file)?;
    let mut lines = source.lines().zip(1..).filter(|(line, _)| line.trim() == text);
    lines.nth(nth - 1).map(|(_, number)| number)
}

/// A line of `file` and which of the lines with this text it is: what
/// [`line_of`] takes.
pub(super) fn text_of(file: &str, line: u32) -> (&'static str, usize) {
    let (_, source) = FILES.iter().find(|(name, _)| *name == file).expect("a file of ring");
    let text = source.lines().nth(line as usize - 1).expect("a line of the file").trim();
    let nth = source.lines().take(line as usize).filter(|other| other.trim() == text).count();
    (text, nth)
}

/// The calls in `text` that name an ordering.
fn calls<'a>(file: &str, text: &'a str) -> Vec<Call<'a>> {
    let mut calls: Vec<(usize, Call<'a>)> = Vec::new();
    for (at, _) in text.match_indices(TOKEN) {
        if is_comment(text, at) {
            continue;
        }
        let name = word_at(&text[at + TOKEN.len()..]);
        let open = open_parenthesis(text, at)
            .unwrap_or_else(|| panic!("{file}: Ordering::{name} outside a call"));
        let order = parse(name).unwrap_or_else(|| panic!("{file}: Ordering::{name}"));
        match calls.last_mut() {
            Some((last, call)) if *last == open => call.orders.push(order),
            _ => {
                let start =
                    text[..open].rfind(|c: char| !is_word(c)).map_or(0, |before| before + 1);
                let function = &text[start..open];
                calls.push((open, Call { function, line: line(text, start), orders: vec![order] }));
            }
        }
    }
    calls.into_iter().map(|(_, call)| call).collect()
}

impl Call<'_> {
    fn weakenings(&self, file: &str) -> Vec<Weakening> {
        match (self.function, self.orders.as_slice()) {
            ("fence", [_]) => vec![Weakening::NoFence],
            ("load" | "store", &[order]) => canary::weakenings_one_way(order).to_vec(),
            ("compare_exchange", &[success, failure]) => {
                [canary::weakenings_both_ways(success), canary::weakenings_failure(failure)]
                    .concat()
            }
            ("add" | "fetch_add" | "fetch_and" | "fetch_max" | "fetch_or", &[order]) => {
                canary::weakenings_both_ways(order).to_vec()
            }
            (function, _) => panic!("{file}:{}: no way to weaken {function} is known", self.line),
        }
    }
}

fn parse(name: &str) -> Option<Ordering> {
    [Ordering::Relaxed, Ordering::Acquire, Ordering::Release, Ordering::AcqRel, Ordering::SeqCst]
        .into_iter()
        .find(|order| format!("{order:?}") == name)
}

/// The number of the line that `at` is in.
fn line(text: &str, at: usize) -> u32 {
    text[..at].matches('\n').count() as u32 + 1
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word_at(text: &str) -> &str {
    text.split(|c| !is_word(c)).next().unwrap_or_default()
}

fn is_comment(text: &str, at: usize) -> bool {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[line..at].contains("//")
}

/// Where the innermost parenthesis opens that is still open at `at`.
fn open_parenthesis(text: &str, at: usize) -> Option<usize> {
    let mut closed = 0;
    text[..at].char_indices().rev().find_map(|(index, c)| {
        match c {
            ')' => closed += 1,
            '(' if closed == 0 => return Some(index),
            '(' => closed -= 1,
            _ => {}
        }
        None
    })
}

/// A file of `ring` that is not scanned would be no site's.
#[test]
fn every_file_of_ring_is_scanned() {
    let scanned = |path: &str| FILES.iter().any(|(name, _)| *name == path);
    for (name, text) in FILES {
        let Some(folder) = name.strip_suffix("mod.rs") else { continue };
        for line in text.lines() {
            let module = line.trim_start_matches("pub(crate) ").strip_prefix("mod ");
            if let Some(module) = module.and_then(|rest| rest.strip_suffix(';')) {
                let (file, parent) =
                    (format!("{folder}{module}.rs"), format!("{folder}{module}/mod.rs"));
                assert!(scanned(&file) || scanned(&parent), "{file} is not scanned");
            }
        }
    }
}

/// The scanner reads calls as they are written here: on one line, over several,
/// nested, in comments.
#[test]
fn calls_are_found() {
    let text = "// a.load(Ordering::SeqCst)\n\
                x(a.load(Ordering::Acquire));\n\
                let _ = word.compare_exchange(\n    f(1),\n    2,\n    Ordering::AcqRel,\n    \
                Ordering::Relaxed,\n);\nfence(Ordering::SeqCst);";
    let found: Vec<_> = calls("text", text)
        .into_iter()
        .map(|call| (call.function, call.line, call.weakenings("text")))
        .collect();
    let expected = [
        ("load", 2, vec![Weakening::Relaxed]),
        ("compare_exchange", 3, vec![Weakening::NoAcquire, Weakening::NoRelease]),
        ("fence", 9, vec![Weakening::NoFence]),
    ];
    assert_eq!(found, expected);
}

/// And rules where they are called, not where they are imported or spoken of.
#[test]
fn rules_are_found() {
    let text = "use sync::{rule};\n// rule(a)\nif rule(a != b) && overrule(c) {\n    !rule(d)\n}";
    assert_eq!(bare_calls(text, RULE).collect::<Vec<_>>(), [3, 4]);
}
