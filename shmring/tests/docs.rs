//! What the documents say about the tests is so.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
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

/// What tests of a file are named after: the file, or the directory of a `main.rs`.
fn module(path: &Path) -> &str {
    let stem = path.file_stem().unwrap();
    let name = if stem == "main" { path.parent().unwrap().file_name().unwrap() } else { stem };
    name.to_str().unwrap()
}

/// The function that a line declares.
fn function(line: &str) -> Option<&str> {
    line.trim().strip_prefix("fn ")?.split('(').next()
}

/// The functions below `#[test]`, and the names in `models!`.
fn tests_in(text: &str) -> Vec<String> {
    let (mut tests, mut is_test, mut in_models) = (Vec::new(), false, false);
    for line in text.lines() {
        in_models = line == "models! {" || in_models && line != "}";
        is_test |= line.trim() == "#[test]";
        if is_test && let Some(name) = function(line) {
            tests.push(name.to_owned());
            is_test = false;
        }
        if in_models && let Some((_, rest)) = line.split_once(": ") {
            tests.extend(rest.split(',').next().map(str::to_owned));
        }
    }
    tests
}

fn all_tests() -> HashSet<String> {
    let mut paths = Vec::new();
    for directory in ["shmring", "shmring-cli", "shmring-bench", "shmring-torture", "loom-tests"] {
        collect(&root().join(directory), &mut paths);
    }
    let mut all = HashSet::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        all.extend(tests_in(&text).into_iter().map(|test| format!("{}::{test}", module(&path))));
    }
    all
}

/// The tests that a cell names.
fn named(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The last cells of the rows of tables that say what shows it.
fn claims(text: &str) -> Vec<(&str, &str)> {
    let (mut claims, mut in_table) = (Vec::new(), false);
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells.last() {
            _ if !line.starts_with('|') => in_table = false,
            Some(&"shown by") => in_table = true,
            Some(last) if in_table && !last.starts_with("---") => claims.push((line, *last)),
            _ => {}
        }
    }
    claims
}

/// Catches a promise that no test shows any more, or never did.
#[test]
fn claims_of_the_documents_name_existing_tests() {
    let all = all_tests();
    assert!(all.len() > 100, "the tests were not found");
    for (document, rows) in [("death", 20), ("limits", 20), ("hostile", 6)] {
        let text = fs::read_to_string(root().join(format!("docs/{document}.md"))).unwrap();
        let claims = claims(&text);
        assert!(claims.len() > rows, "the tables of {document} were not found");
        for (row, cell) in claims {
            assert!(!named(cell).is_empty(), "no test is named: {row}");
            for test in named(cell) {
                assert!(all.contains(test), "there is no test {test}: {row}");
            }
        }
    }
}

/// Catches a pitfall that nothing guards against any more, or never did.
#[test]
fn every_pitfall_names_a_test_or_a_reason() {
    let text = fs::read_to_string(root().join("shmring/tests/pitfalls.rs")).unwrap();
    let text: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .map(|l| format!("{l}\n"))
        .collect();
    let (all, claims) = (all_tests(), claims(&text));
    assert!(claims.len() > 50, "the table was not found");
    let unshown = claims.iter().filter(|(_, cell)| *cell == "-").count();
    assert!(unshown <= 2, "too much is said not to be shown");
    for (row, cell) in claims {
        assert!(cell == "-" || !named(cell).is_empty(), "no test is named: {row}");
        for test in named(cell) {
            assert!(all.contains(test), "there is no test {test}: {row}");
        }
    }
}

/// Catches a check that takes anything for a test, or passes a row over.
#[test]
fn the_check_finds_what_is_missing() {
    let source = "#[test]\n#[ignore = \"slow\"]\nfn one() {\n}\nfn helper() {\n}\n\
        models! {\n    TWO: two_bound_2, bound 2, at least 9, kills two;\n}\n";
    assert_eq!(tests_in(source), ["one", "two_bound_2"]);
    let table = "| dies | seen | shown by |\n|---|---|---|\n| a | b | `x::y`, `z::w` |\n| c | d | - |\n\n| p | q |\n|---|---|\n| 1 | 2 |\n";
    let cells: Vec<_> = claims(table).into_iter().map(|(_, cell)| named(cell)).collect();
    assert_eq!(cells, [vec!["x::y", "z::w"], vec![]]);
}
