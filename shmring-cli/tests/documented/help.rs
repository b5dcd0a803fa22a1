//! Examples in the help.

use crate::sandbox::{self, Script};
use crate::support::{run, verbs};

/// Examples that are too much for a test, and what is run instead.
const SHORTENED: [(&str, &str); 4] = [
    ("shmring demo --bytes 4GiB", "shmring demo --rounds 1 --bytes 4M"),
    ("shmring bench quick", "shmring bench quick --rounds 1 --only \"bare futex\""),
    ("tap ticks --stats", "tap ticks --stats --from oldest --count 9"),
    ("--only \"ping-pong, 8 B, blocking\"", "--rounds 1 --only \"bare futex\""),
];

/// Verbs of whose examples one needs what the one before it did.
const BELONG_TOGETHER: [&str; 3] = ["serve", "bench", "man"];

const RINGS: &str = "\
for name in prices orders blob log; do shmring create $name; done
shmring create jobs --kind jobs
shmring create ticks --kind broadcast
shmring serve prices --socket prices.socket &";
/// A ring does not hold all that is sent to it.
const RECEIVERS: &str = "\
for name in prices blob log; do shmring recv $name & done";
/// Who receives waits for somebody to have sent something.
const MESSAGES: &str = "\
for name in prices blob jobs ticks; do seq 1 9 | shmring send $name; done
seq 1 9 | shmring send --socket prices.socket --wait 10s";

/// The sender's own handle is free: there is no sender.
const SUBSCRIBER: &str = "\
shmring recv ticks &
until shmring stat ticks --interval 0s | grep 'consumer .*gating'; do sleep 0.05; done";

/// What a verb's examples find.
fn setup(verb: &str) -> String {
    match verb {
        "create" | "serve" | "demo" | "bench" | "completions" | "man" => String::new(),
        "send" => format!("{RINGS}\n{RECEIVERS}"),
        "evict" => format!("{RINGS}\n{SUBSCRIBER}"),
        "recv" | "tap" | "work" => format!("{RINGS}\n{MESSAGES}"),
        _ => RINGS.to_owned(),
    }
}

/// The indented lines below `Example:` or `Examples:`.
fn examples(help: &str) -> Vec<String> {
    let below = help.lines().skip_while(|line| !line.starts_with("Example")).skip(1);
    below.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}

/// What is run for an example.
fn runnable(example: &str) -> String {
    if example.starts_with("shmring top") && !example.contains("--once") {
        // Here is no terminal; there, it has tests of its own.
        return format!("{example} --once");
    }
    let short =
        SHORTENED.iter().fold(example.to_owned(), |text, (long, short)| text.replace(long, short));
    let Some((_, options)) =
        short.split_once("--socket ").filter(|_| short.contains("shmring serve"))
    else {
        return short;
    };
    // A server never ends, and the next line needs it.
    let socket = options.split_whitespace().next().unwrap_or_default();
    format!("{short} & await {socket}")
}

#[track_caller]
fn expect_runs(verb: &str, text: &str) {
    let setup = setup(verb);
    // Told if it hangs.
    println!("{verb}: {text}");
    let awaited = if setup.is_empty() { "" } else { "prices.socket" };
    if let Some(ended) = sandbox::run(&Script { setup: &setup, awaited, text }) {
        let said = format!("{}\n{}", ended.text(), ended.stderr);
        assert!(ended.status.success(), "{verb}: {text}: {:?}\n{said}", ended.status);
    }
}

// Catches an example that does not work, and a verb without one.
#[test]
fn examples_of_every_verb_run() {
    let verbs = verbs();
    assert!(verbs.len() > 9, "{verbs:?}");
    for verb in verbs {
        let help = run(&[&verb, "--help"]).expect_code(0).text();
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{verb} has no example");
        let lines: Vec<_> = examples.iter().map(|example| runnable(example)).collect();
        if BELONG_TOGETHER.contains(&&*verb) {
            expect_runs(&verb, &lines.join("\n"));
        } else {
            lines.iter().for_each(|line| expect_runs(&verb, line));
        }
    }
}

// Catches the first thing that a newcomer reads being wrong.
#[test]
fn the_example_of_the_command_itself_runs() {
    let help = run(&["--help"]).expect_code(0).text();
    let example = examples(&help).join("\n");
    assert!(example.contains("recv"), "{help}");
    if let Some(ended) = sandbox::run(&Script { text: &example, ..Script::default() }) {
        let text = ended.expect_code(0).text();
        assert!(text.lines().any(|line| line == "1000000"), "{text}");
    }
}

// Catches help that a terminal of 80 columns breaks, outside the list of options.
#[test]
fn words_after_the_options_fit_a_terminal() {
    let after = |args: &[&str]| {
        let help = run(args).expect_code(0).text();
        let words: Vec<_> =
            help.lines().skip_while(|l| !l.contains("Print version")).map(str::to_owned).collect();
        words
    };
    let verbs = verbs();
    for line in verbs.iter().flat_map(|verb| after(&[verb, "--help"])).chain(after(&["--help"])) {
        // A command is one line, so that it can be copied.
        assert!(line.chars().count() <= 80 || line.starts_with("  "), "{line}");
    }
}
