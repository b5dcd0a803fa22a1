//! Instructions counted under valgrind, where it is installed.

use std::process::{Command, Output};

fn instructions(args: &[&str], path: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shmring-bench"));
    command.arg("instructions").args(args);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().expect("the bench runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

// Catches a machine without valgrind that fails, or that is shown figures.
#[test]
fn without_valgrind_they_are_skipped_with_the_reason() {
    let output = instructions(&[], Some("/no/such/directory"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "skipped: valgrind is not installed\n");
}

// Catches operations that are mixed up with each other, with what is done between them, or with the
// start of the program.
#[test]
fn with_it_every_operation_has_a_plausible_count() {
    let output = instructions(&["--only", "packed ring", "--json"], None);
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let counts = result["counts"].as_array().expect("a list");
    if result["skipped"].is_string() {
        return println!("skipped: {}", result["skipped"]);
    }
    // Each verb of it.
    assert_eq!(counts.len(), 6);
    for count in counts {
        let each = count["instructions"].as_f64().expect("a number");
        assert!((1.0..10_000.0).contains(&each), "{count}");
    }
    // A batch of 32 takes less for each word than a word by itself.
    let of = |verb: &str| {
        let count = counts.iter().find(|it| it["verb"] == verb && it["ring"] == "packed ring");
        count.expect(verb)["instructions"].as_f64().expect("a number")
    };
    assert!(of("push x32") < of("push") && of("pop x32") < of("pop"));
}
