//! The strong orderings of `ring`, found in its text. What no model reaches is
//! found too, which a record of runs could not tell.

use std::collections::BTreeSet;

use crate::sync::Ordering;
use crate::sync::canary::{self, Demotion, Weakening};

/// Every file of `ring`.
const FILES: [(&str, &str); 5] = [
    ("mod.rs", include_str!("../../../shmring/src/ring/mod.rs")),
    ("record.rs", include_str!("../../../shmring/src/ring/record.rs")),
    ("roster.rs", include_str!("../../../shmring/src/ring/roster.rs")),
    ("tables.rs", include_str!("../../../shmring/src/ring/tables.rs")),
    ("wake.rs", include_str!("../../../shmring/src/ring/wake.rs")),
];

const TOKEN: &str = "Ordering::";

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
    }
    found
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
                let line = text[..start].matches('\n').count() as u32 + 1;
                calls
                    .push((open, Call { function: &text[start..open], line, orders: vec![order] }));
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
            ("add" | "fetch_add" | "fetch_and" | "fetch_or", &[order]) => {
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
    let (_, root) = FILES[0];
    for line in root.lines() {
        let module = line.trim_start_matches("pub(crate) ").strip_prefix("mod ");
        if let Some(module) = module.and_then(|rest| rest.strip_suffix(';')) {
            let file = format!("{module}.rs");
            assert!(FILES.iter().any(|(name, _)| *name == file), "{file} is not scanned");
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
