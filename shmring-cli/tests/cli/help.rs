//! What helps to type a command: completions and manual pages.

use std::fs;

use crate::support::run;

const VERBS: [&str; 11] = [
    "create",
    "serve",
    "attach",
    "send",
    "recv",
    "unlink",
    "ls",
    "doctor",
    "demo",
    "completions",
    "man",
];

// Catches a script that is empty, or that does not know a verb.
#[test]
fn every_shell_has_completions_of_every_verb() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).expect_code(0).text();
        for verb in VERBS {
            assert!(script.contains(verb), "{shell} does not complete {verb}");
        }
    }
    run(&["completions", "cobol"]).expect_code(2).expect_stderr("cobol");
}

// Catches a verb without a page, and a directory that is not there reported as written.
#[test]
fn every_verb_has_a_manual_page() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("text");
    run(&["man", path]).expect_code(0);
    for verb in VERBS {
        let page = fs::read_to_string(directory.path().join(format!("shmring-{verb}.1")));
        assert!(page.expect(verb).contains(".TH"), "{verb}");
    }
    assert!(directory.path().join("shmring.1").exists());
    let missing = format!("{path}/missing");
    run(&["man", &missing]).expect_code(1).expect_stderr(&missing);
}
