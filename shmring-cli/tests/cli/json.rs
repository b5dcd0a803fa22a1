//! What docs/cli-json.md says is what the command prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::holder::hold;
use crate::support::{Name, Running, run, run_with, seq, start, start_with};

/// The name that the examples use.
const EXAMPLE: &str = "prices";

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli-json.md");
    fs::read_to_string(path).expect("the document")
}

/// A heading, the command below it, and what it prints.
#[derive(Debug)]
struct Example {
    heading: String,
    command: String,
    output: Value,
}

fn examples(document: &str) -> Vec<Example> {
    let (mut examples, mut heading, mut command) = (Vec::new(), "", "");
    let mut rest = document;
    while let Some((line, behind)) = rest.split_once('\n') {
        rest = behind;
        let block = |text: &'static str| line.strip_prefix("```").filter(|kind| *kind == text);
        if let Some(title) =
            line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with("##"))
        {
            heading = title;
        } else if block("sh").is_some() || block("json").is_some() {
            let (body, behind) = rest.split_once("\n```\n").expect("the end of a block");
            rest = behind;
            if block("sh").is_some() {
                command = body;
            } else {
                let output = serde_json::from_str(body).expect(heading);
                let (heading, command) = (heading.to_owned(), command.to_owned());
                examples.push(Example { heading, command, output });
            }
        }
    }
    examples
}

/// The first difference in names or types.
fn difference(at: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let names = |map: &serde_json::Map<String, Value>| -> BTreeSet<String> {
                map.keys().cloned().collect()
            };
            if names(expected) != names(found) {
                return Some(format!("{at}: {:?} became {:?}", names(expected), names(found)));
            }
            expected
                .iter()
                .find_map(|(name, value)| difference(&format!("{at}.{name}"), value, &found[name]))
        }
        (Value::Array(expected), Value::Array(found)) => {
            if expected.len() != found.len() {
                return Some(format!("{at}: {} became {}", expected.len(), found.len()));
            }
            let mut pairs = expected.iter().zip(found).enumerate();
            pairs
                .find_map(|(index, (one, other))| difference(&format!("{at}[{index}]"), one, other))
        }
        (Value::Null, Value::Null)
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_)) => None,
        _ => Some(format!("{at}: {expected} became {found}")),
    }
}

/// A segment's name and a socket for the command of one example.
struct Scene {
    name: Name,
    socket: String,
    /// Holds the socket.
    _directory: TempDir,
    args: Vec<String>,
}

impl Scene {
    fn of(command: &str) -> Self {
        let name = Name::new();
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("ring.socket").to_str().expect("text").to_owned();
        let words = command.strip_prefix("shmring ").expect("a command").split(' ');
        let args = words.map(|word| match word {
            EXAMPLE => name.0.clone(),
            "prices.socket" => socket.clone(),
            other => other.to_owned(),
        });
        let args = args.collect();
        Self { name, socket, _directory: directory, args }
    }

    fn args(&self) -> Vec<&str> {
        self.args.iter().map(String::as_str).collect()
    }

    /// Runs the command of the example.
    fn print(&self) -> Value {
        run(&self.args()).expect_code(0).json()
    }

    /// Runs it, and removes other segments from its lists.
    fn print_ours(&self) -> Value {
        let mut listing = self.print();
        for list in ["segments", "deleted"] {
            if let Some(segments) = listing[list].as_array_mut() {
                segments.retain(|segment| segment["name"] == self.name.0.as_str());
            }
        }
        listing
    }

    /// Creates the segment with these options.
    fn create(&self, options: &[&str]) {
        run(&[&["create", &*self.name.0], options].concat()).expect_code(0);
    }

    fn send(&self, lines: &[u8]) {
        run_with(&["send", &self.name.0], lines).expect_code(0);
    }

    /// Creates the segment and starts a sender.
    fn with_sender(&self) -> Running {
        self.create(&["--capacity", "64K"]);
        let send = start(&["send", &self.name.0]);
        self.name.await_role("producers", send.pid());
        send
    }

    /// Creates the segment and leaves it with a dead sender.
    fn abandon(&self) {
        let send = self.with_sender();
        send.signal(Signal::SIGKILL);
        send.end().expect_signal(Signal::SIGKILL);
    }

    /// Runs the server of the example until it has answered.
    fn serve(&self) -> Value {
        let server = start(&self.args());
        // It answers once it has printed.
        run(&["attach", "--socket", &self.socket, "--wait", "30s"]).expect_code(0);
        server.signal(Signal::SIGTERM);
        server.end().expect_code(0).json()
    }

    /// Lets a sender wait for a receiver that is stopped.
    fn held_up(&self) -> (Running, Running) {
        self.create(&["--kind", "broadcast", "--capacity", "4K"]);
        let recv = start(&["recv", &self.name.0]);
        self.name.await_role("consumers", recv.pid());
        recv.stop();
        let send = start_with(&["send", &self.name.0], seq(1, 9999));
        self.name.await_listed("a full ring", |segment| segment["full"] == true);
        (recv, send)
    }

    /// Lets a stopped worker have the first job of a full ring.
    fn with_worker(&self) -> Running {
        self.create(&["--kind", "jobs", "--slots", "4", "--slot-bytes", "64"]);
        self.send(&seq(1, 4));
        let work = start(&["work", &self.name.0, "--", "sleep", "600"]);
        self.name.await_listed("a job in hand", |segment| segment["jobs"]["in_hand"] == 1);
        work.stop();
        work
    }

    /// Stops a process between claim and commit, with messages behind it.
    fn stall(&self) -> Running {
        self.create(&["--kind", "mpmc", "--slots", "16", "--slot-bytes", "64"]);
        self.send(b"first\n");
        run(&["recv", &self.name.0]).expect_code(0);
        let holder = hold(&self.name);
        holder.stop();
        self.send(b"behind\nlast\n");
        holder
    }
}

/// Removes all findings but those of one check: the others differ from machine to machine.
fn one_finding(mut diagnosis: Value, check: &str) -> Value {
    let has = |finding: &Value| finding["check"] == check;
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let mut groups = list(&diagnosis["groups"]);
    groups.retain_mut(|group| {
        let findings: Vec<_> = list(&group["findings"]).into_iter().filter(has).collect();
        group["findings"] = findings.into();
        !list(&group["findings"]).is_empty()
    });
    diagnosis["groups"] = groups.into();
    diagnosis
}

/// Returns what the command of an example prints, in the scene that its heading names.
fn play(example: &Example) -> Value {
    let scene = Scene::of(&example.command);
    match &*example.heading {
        "create" => scene.print(),
        "serve" => scene.serve(),
        "attach" => {
            let _sender = scene.with_sender();
            scene.print()
        }
        "ls" | "top" => {
            let _sender = scene.with_sender();
            scene.print_ours()
        }
        "ls: a damaged segment" => {
            scene.create(&[]);
            let file = fs::File::options().write(true).open(scene.name.path());
            file.and_then(|file| file.set_len(8192)).expect("cut");
            scene.print_ours()
        }
        "stat" => {
            let _holder = scene.stall();
            scene.print()
        }
        "stat: a broadcast ring" => {
            let (_recv, _send) = scene.held_up();
            scene.print()
        }
        "stat: a job ring" => {
            let _work = scene.with_worker();
            scene.print()
        }
        "evict" => {
            let (_recv, _send) = scene.held_up();
            scene.print()
        }
        "peek" => {
            scene.create(&["--capacity", "64K"]);
            scene.send(b"EURUSD 1.0842\n\xff\xfe\n");
            scene.print()
        }
        "gc" => {
            scene.abandon();
            scene.print()
        }
        "doctor" => {
            scene.abandon();
            one_finding(scene.print(), "participants")
        }
        other => panic!("there is no scene for {other:?}"),
    }
}

// Catches a field that was added, renamed, dropped or changed its type, and an example that
// nobody could reproduce.
#[test]
fn the_examples_are_what_is_printed() {
    let document = document();
    let examples = examples(&document);
    let headings: Vec<_> = examples.iter().map(|example| &*example.heading).collect();
    let ls = ["ls", "ls: a damaged segment"];
    let stat = ["stat", "stat: a broadcast ring", "stat: a job ring"];
    let others = ["top", "peek", "evict", "gc", "doctor"];
    let scenes = [&["create", "serve", "attach"], &ls[..], &stat, &others].concat();
    assert_eq!(headings, scenes);
    for example in examples {
        let printed = play(&example);
        assert_eq!(printed["schema"], example.output["schema"]);
        let difference = difference(&example.heading, &example.output, &printed);
        assert_eq!(difference, None, "{printed:#}");
    }
}

fn names(value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            all.insert(name.clone());
            names(value, all);
        }),
        Value::Array(values) => values.iter().for_each(|value| names(value, all)),
        _ => {}
    }
}

// Catches a field without an explanation.
#[test]
fn every_field_is_explained() {
    let document = document();
    let mut all = BTreeSet::new();
    examples(&document).iter().for_each(|example| names(&example.output, &mut all));
    assert!(all.len() > 60, "the fields were not found");
    let unexplained: Vec<_> =
        all.iter().filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert_eq!(unexplained, Vec::<&String>::new());
}

// Catches a comparison that takes anything for what was expected.
#[test]
fn a_difference_is_found() {
    let example =
        "## verb\n\n```sh\nshmring verb --json\n```\n\n```json\n{\"a\": [{\"b\": 1}]}\n```\n";
    let [example] = &examples(example)[..] else {
        panic!("one example");
    };
    assert_eq!((&*example.heading, &*example.command), ("verb", "shmring verb --json"));
    let compare = |found: &str| {
        difference("it", &example.output, &serde_json::from_str(found).expect("JSON"))
    };
    assert_eq!(compare(r#"{"a": [{"b": 2}]}"#), None);
    for other in [
        r#"{"a": []}"#,
        r#"{"a": [{"b": null}]}"#,
        r#"{"a": [{"b": "1"}]}"#,
        r#"{"a": [{"b": 1, "c": 1}]}"#,
        r#"{"a": [{}]}"#,
        r#"{"a": [{"b": 1}], "c": 1}"#,
    ] {
        assert!(compare(other).is_some(), "{other}");
    }
}
