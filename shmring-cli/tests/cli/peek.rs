//! `peek`: messages that are shown and stay.

use std::fs::File;
use std::os::unix::fs::FileExt;

use serde_json::Value;

use crate::holder::hold;
use crate::party::{Party, ledger};
use crate::support::{Name, run, run_with};

fn rings() -> [Name; 4] {
    let slots = |kind| Name::with_slots(kind, "16", "64");
    [Name::with_ring("4K"), slots("mpmc"), slots("mpsc"), slots("spmc")]
}

fn json(name: &Name, options: &[&str]) -> Value {
    run(&[&["peek", &name.0, "--json"], options].concat()).expect_code(0).json()
}

// Catches messages that are taken, shown in part without a word, or obeyed by the terminal.
#[test]
fn messages_are_shown_and_stay() {
    for name in rings() {
        let none = run(&["peek", &name.0]).expect_code(0).expect_stderr("no messages");
        assert_eq!(none.text(), "");
        let lines = "one\n\ngröße\tand\x1b[2J\n";
        run_with(&["send", &name.0], lines.as_bytes()).expect_code(0);
        let step = if name.facts()["slots"].is_null() { 8 } else { 1 };
        let text = run(&["peek", &name.0]).expect_code(0).text();
        let rows: Vec<_> = text.lines().map(|row| row.split_whitespace().collect()).collect();
        let [first, second, third]: &[Vec<_>; 3] = rows[..].try_into().expect("three");
        assert_eq!(first[..], ["0", "3", "one"]);
        let middle = (if step == 8 { 16 } else { 1 }).to_string();
        assert_eq!(second[..], [&*middle, "0"]);
        assert_eq!(third[2], "größe\\tand\\u{1b}[2J");

        let first = json(&name, &["-n", "1"]);
        assert_eq!(first["messages"].as_array().map(Vec::len), Some(1));
        assert_eq!(first["ended"]["kind"], "limit");
        let all = json(&name, &[]);
        let texts: Vec<_> = all["messages"].as_array().expect("messages").iter().collect();
        assert_eq!(texts[0]["text"], "one");
        assert!(texts[0]["hex"].is_null());
        assert_eq!(texts[2]["text"], "größe\tand\x1b[2J");
        assert_eq!((&all["missed"], &all["ended"]["kind"]), (&0.into(), &"empty".into()));
        assert_eq!(name.drain(), lines.as_bytes());
    }
}

// Catches bytes that are shown as others, cut without a word, or cut inside a character.
#[test]
fn bytes_and_parts_of_messages() {
    for name in rings() {
        run_with(&["send", &name.0, "--bytes", "20"], b"\x00\xff0123456789abcdefgh").expect_code(0);
        let text = run(&["peek", &name.0, "--hex"]).expect_code(0).text();
        assert!(text.starts_with("0  20 bytes\n  00000000  00 ff 30 31 "), "{text}");
        assert!(text.contains("|..0123456789abcd|\n  00000010  65 66 67 68 "), "{text}");
        let text = run(&["peek", &name.0, "--bytes", "4"]).expect_code(0).text();
        assert_eq!(text, "0  20  \\u{0}\\xff01...\n");
        let message = &json(&name, &["--bytes", "3"])["messages"][0];
        assert_eq!((&message["bytes"], &message["shown_bytes"]), (&20.into(), &3.into()));
        assert_eq!((&message["text"], &message["hex"]), (&Value::Null, &"00ff30".into()));
        name.drain();
        run_with(&["send", &name.0], "größe\n".as_bytes()).expect_code(0);
        let message = &json(&name, &["--bytes", "3", "--hex"])["messages"][0];
        assert_eq!((&message["text"], &message["hex"]), (&"gr".into(), &"6772".into()));
        assert_eq!(message["shown_bytes"], 2);
    }
}

// Catches a look that waits for a claimed position, goes past it, or shows what is not sent.
#[test]
fn a_claimed_position_is_the_end() {
    let name = Name::with_slots("mpmc", "16", "64");
    run_with(&["send", &name.0], b"first\n").expect_code(0);
    // It looks for its position at the front.
    run(&["recv", &name.0]).expect_code(0);
    let holder = hold(&name);
    run_with(&["send", &name.0], b"behind\n").expect_code(0);
    let ended = run(&["peek", &name.0]).expect_code(0);
    assert_eq!(ended.text(), "");
    ended.expect_stderr("position 1 is claimed").expect_stderr("shmring stat");
    assert_eq!(json(&name, &[])["ended"]["position"], 1);
    holder.end().expect_code(0);
    assert_eq!(run(&["peek", &name.0]).expect_code(0).text().lines().count(), 2);
}

// Catches damage that passes for the end, and what is before it being hidden.
#[test]
fn damage_is_told() {
    let name = Name::with_ring("4K");
    run_with(&["send", &name.0], b"good\nbad\n").expect_code(0);
    let file = File::options().write(true).open(name.path()).expect("open");
    // The header of the second record; see the layout.
    file.write_all_at(&[0xAB; 8], 32_768 + 16).expect("write");
    let ended = run(&["peek", &name.0]).expect_code(6).expect_stderr("corrupt");
    assert_eq!(ended.text(), "0  4  good\n");
}

// Catches a message that is shown half, or as a mix of two, and a look that gets in the way.
#[test]
fn beside_senders_and_receivers() {
    for kind in ["mpmc", "mpsc"] {
        let name = Name::with_slots(kind, "64", "32");
        let consumers = if kind == "mpmc" { 2 } else { 1 };
        let mut party = Party::join(&name, 2, consumers);
        party.feed(100_000);
        let mut shown = 0;
        while !name.listed().expect("a segment")["producers"].as_array().is_none_or(Vec::is_empty) {
            let all = json(&name, &["-n", "1000"]);
            for message in all["messages"].as_array().expect("messages") {
                let line = message["text"].as_str().expect("text");
                ledger(2, &[format!("{line}\n").into_bytes()]);
                shown += 1;
            }
        }
        let received = ledger(2, &party.expect_done());
        assert!(received.iter().all(|numbers| numbers.len() == 100_000));
        println!("{kind}: {shown} messages were shown");
    }
}
