//! What helps to type a command: completions and manual pages.

use std::fs;

use crate::support::{run, verbs};

/// The long options that the help of a verb lists.
fn options(verb: &str) -> Vec<String> {
    let help = run(&[verb, "--help"]).expect_code(0).text();
    let listed = help.lines().skip_while(|line| *line != "Options:").skip(1);
    let listed = listed.take_while(|line| line.is_empty() || line.starts_with(' '));
    let words =
        listed.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--")));
    words.map(str::to_owned).collect()
}

// Catches a list of verbs that is empty, so that nothing is looked at below, and an option
// that the help does not show.
#[test]
fn the_help_lists_verbs_and_options() {
    let verbs = verbs();
    let measuring = if cfg!(feature = "bench") { &["demo", "bench"][..] } else { &[] };
    let others = ["create", "attach", "send", "recv", "unlink", "ls", "top", "doctor", "man"];
    for verb in others.iter().chain(measuring) {
        assert!(verbs.iter().any(|listed| listed == verb), "{verb}: {verbs:?}");
    }
    for (verb, option) in [
        ("send", "--stats"),
        ("recv", "--stats"),
        ("unlink", "--stale"),
        ("unlink", "--force"),
        ("create", "--max-attachments"),
        ("doctor", "--json"),
        ("attach", "--wait"),
        ("top", "--once"),
        ("ls", "--color"),
    ] {
        assert!(options(verb).iter().any(|listed| listed == option), "{verb} {option}");
    }
}

// Catches a script that is empty, or that does not know a verb or an option.
#[test]
fn every_shell_has_completions_of_every_verb() {
    let verbs: Vec<_> = verbs().into_iter().map(|verb| (options(&verb), verb)).collect();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).expect_code(0).text();
        for (options, verb) in &verbs {
            assert!(script.contains(verb), "{shell} does not complete {verb}");
            for option in options {
                // fish has them without the dashes.
                let name = option.trim_start_matches('-');
                assert!(script.contains(name), "{shell} does not complete {verb} {option}");
            }
        }
    }
    run(&["completions", "cobol"]).expect_code(2).expect_stderr("cobol");
}

// Catches a verb without a page, an option that its page leaves out, and a directory that is
// not there reported as written.
#[test]
fn every_verb_has_a_manual_page() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("text");
    run(&["man", path]).expect_code(0);
    for verb in verbs() {
        let page = fs::read_to_string(directory.path().join(format!("shmring-{verb}.1")));
        let page = page.expect(&verb);
        assert!(page.contains(".TH"), "{verb}");
        // In its own typesetting a dash is escaped.
        let page = page.replace("\\-", "-");
        for option in options(&verb) {
            assert!(page.contains(&option), "{verb} {option}");
        }
    }
    assert!(directory.path().join("shmring.1").exists());
    let missing = format!("{path}/missing");
    run(&["man", &missing]).expect_code(1).expect_stderr(&missing);
}
