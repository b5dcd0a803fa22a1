//! The rules of the source that no type can hold: where atomics, imports, unsafe
//! code and orderings may stand.

use std::fs;
use std::path::{Path, PathBuf};

/// The files of `src` with unsafe code, in order.
const UNSAFE_FILES: [&str; 27] = [
    "element.rs",
    "guards/buf_mut.rs",
    "guards/job.rs",
    "guards/mod.rs",
    "guards/reservation.rs",
    "guards/space.rs",
    "guards/values.rs",
    "memory/copy/block.rs",
    "memory/copy/elements.rs",
    "memory/copy/machine/aarch64.rs",
    "memory/copy/machine/mod.rs",
    "memory/copy/machine/x86_64.rs",
    "memory/copy/mod.rs",
    "memory/mapped_ring.rs",
    "memory/mapping.rs",
    "memory/payload.rs",
    "memory/sentinel.rs",
    "memory/sigbus.rs",
    "sys/affinity.rs",
    "sys/clock.rs",
    "sys/descriptor.rs",
    "sys/fork.rs",
    "sys/futex.rs",
    "sys/membarrier.rs",
    "sys/uring.rs",
    "sys/watch.rs",
    "task/driver.rs",
];
/// Lines above an ordering in which its reason must begin.
const REASON_LINES: usize = 8;

struct Source {
    /// Relative to `src`.
    path: String,
    lines: Vec<String>,
}

impl Source {
    /// The code of a line, without a comment at its end.
    fn code(line: &str) -> &str {
        line.split("//").next().unwrap_or_default().trim()
    }

    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().map(|line| Self::code(line)).enumerate()
    }

    fn at(&self, index: usize) -> String {
        format!("{}:{}: {}", self.path, index + 1, self.lines[index].trim())
    }
}

/// All files of the library that are not tests.
fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&src, &mut paths);
    paths.sort();
    let sources: Vec<Source> = paths
        .into_iter()
        .map(|path| Source {
            path: path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned(),
            lines: fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect(),
        })
        .filter(|source| !source.path.contains("_tests"))
        .collect();
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn assert_none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

/// Catches an atomic that a model checker cannot replace.
#[test]
fn atomics_come_through_the_seam() {
    let mut found = Vec::new();
    // The bench of copies compiles the machine's routines without the rest of the library. A
    // model checker replaces all of `sys`.
    let free = ["sync.rs", "memory/copy/machine/mod.rs", "sys/"];
    let is_free = |path: &str| free.iter().any(|free| path.starts_with(free));
    for source in sources().iter().filter(|source| !is_free(&source.path)) {
        for (index, code) in source.code_lines() {
            if code.contains("sync::atomic") || code.contains("atomic::") {
                found.push(source.at(index));
            }
        }
    }
    assert_none(found, "atomics are named only in sync.rs, in sys and in the routines that copy");
}

/// Catches an algorithm that needs an operating system, a heap, or a layer above.
#[test]
fn the_algorithms_import_only_core_and_the_seam() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("ring/")) {
        for (index, code) in source.code_lines() {
            let is_import = code.starts_with("use ") || code.starts_with("pub(crate) use ");
            let import = code.trim_start_matches("pub(crate) ").trim_start_matches("use ");
            let first = import.split("::").next().unwrap_or_default();
            let own = source.lines.iter().any(|line| {
                let line = Source::code(line).trim_start_matches("pub(crate) ");
                line.strip_prefix("mod ").is_some_and(|name| name == format!("{first};"))
            });
            let allowed = ["core::", "crate::sync::", "crate::ring::", "super::"];
            if is_import && !own && !allowed.iter().any(|path| import.starts_with(path)) {
                found.push(source.at(index));
            }
            let paths = code.replace("crate::sync::", "").replace("crate::ring::", "");
            let foreign = ["std::", "alloc::", "crate::", "libc::", "nix::"];
            if foreign.iter().any(|path| paths.contains(path)) {
                found.push(source.at(index));
            }
        }
    }
    assert_none(found, "ring/ imports core, crate::sync and itself");
}

/// Catches unsafe code in a file that is not listed for review.
#[test]
fn unsafe_code_is_in_the_files_that_allow_it() {
    let sources = sources();
    let allow = "#![allow(unsafe_code)]";
    let allowing: Vec<&str> = sources
        .iter()
        .filter(|source| source.lines.iter().any(|line| line.trim() == allow))
        .map(|source| source.path.as_str())
        .collect();
    assert_eq!(allowing, UNSAFE_FILES);
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !UNSAFE_FILES.contains(&source.path.as_str())) {
        for (index, code) in source.code_lines() {
            let is_word = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            if is_word.clone().any(|word| word == "unsafe") || code.contains("allow(unsafe") {
                found.push(source.at(index));
            }
        }
    }
    assert_none(found, "unsafe code only where a file allows it");
}

/// Catches an unsafe block without a reason. Attributes and the rest of a statement may
/// stand between the two.
#[test]
fn unsafe_code_has_a_safety_comment() {
    let (mut found, mut count) = (Vec::new(), 0);
    for source in sources() {
        for (index, code) in source.code_lines() {
            if code.contains("unsafe {") || code.contains("unsafe impl") {
                count += 1;
                let above = &source.lines[index.saturating_sub(5)..index];
                if !above.iter().any(|line| line.contains("// SAFETY:")) {
                    found.push(source.at(index));
                }
            }
            if code.contains("unsafe fn") {
                let above = &source.lines[index.saturating_sub(12)..index];
                if !above.iter().any(|line| line.contains("/// # Safety")) {
                    found.push(source.at(index));
                }
            }
        }
    }
    assert_none(found, "SAFETY comes right before unsafe code");
    assert!(count > 10, "unsafe code was not found");
}

/// Catches an ordering without an argument.
#[test]
fn orderings_beyond_relaxed_name_their_partner() {
    let (mut found, mut count) = (Vec::new(), 0);
    let orderings = ["Acquire", "Release", "AcqRel", "SeqCst"].map(|o| format!("Ordering::{o}"));
    for source in sources().iter().filter(|source| source.path.starts_with("ring/")) {
        for (index, code) in source.code_lines() {
            if orderings.iter().any(|ordering| code.contains(ordering)) {
                count += 1;
                let above = &source.lines[index.saturating_sub(REASON_LINES)..index];
                if !above.iter().any(|line| line.contains("// ORDERING:")) {
                    found.push(source.at(index));
                }
            }
        }
    }
    assert_none(found, "ORDERING comes before what is stronger than Relaxed");
    assert!(count > 10, "orderings were not found");
}
