//! Making and describing rings of each kind.

use shmring::{Config, Segment};

use crate::support::{Name, Running, run, run_with, start};

const SLOT_KINDS: [&str; 3] = ["mpmc", "mpsc", "spmc"];

/// A ring of numbers, which only a program can make.
fn typed(config: &Config) -> Name {
    let name = Name::new();
    Segment::create(&name.0, config).expect("create");
    name
}

/// The row of `ls` for it.
#[track_caller]
fn row(name: &Name) -> String {
    let text = run(&["ls"]).expect_code(0).text();
    text.lines().find(|row| row.starts_with(&name.0)).expect("a row").to_owned()
}

#[track_caller]
fn expect_parts(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

// Catches a segment that is not what the text says, and sizes rounded in silence.
#[test]
fn create_prints_what_it_made() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let sizes = ["--slots", "1000", "--slot-bytes", "250"];
        let text =
            run(&[&["create", &name.0, "--kind", kind], &sizes[..]].concat()).expect_code(0).text();
        let first = format!("created {}: {kind} ring, 1024 slots of 256 bytes", name.0);
        assert!(text.starts_with(&first), "{text}");
        expect_parts(
            &text,
            &[
                "longest message 126976 bytes",
                "slots rounded up from 1000 to 1024, a power of two",
                "slot size rounded up from 250 to 256 bytes, a multiple of 8",
            ],
        );
        assert!(!text.contains("capacity"), "{text}");
    }
}

// Catches JSON of one kind with the fields of another, and defaults that change.
#[test]
fn create_speaks_json() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let create = ["create", &name.0, "--kind", kind, "--slots", "3K", "--json"];
        let facts = run(&create).expect_code(0).json();
        assert_eq!(facts["kind"], kind);
        assert_eq!(facts["slots"], 4096);
        assert_eq!(facts["slot_bytes"], 256);
        assert_eq!(facts["max_message_bytes"], 2048 * 248);
        assert_eq!(facts["capacity_bytes"], 4096 * 256);
        assert_eq!(facts["rounded_up_from_slots"], 3072);
        for absent in ["element", "rounded_up_from_bytes", "rounded_up_from_slot_bytes"] {
            assert!(facts[absent].is_null(), "{absent}: {facts}");
        }
    }
    let name = Name::new();
    let facts = run(&["create", &name.0, "--json"]).expect_code(0).json();
    for absent in ["slots", "slot_bytes", "element", "rounded_up_from_slots"] {
        assert!(facts[absent].is_null(), "{absent}: {facts}");
    }
}

// Catches sizes that are passed over, cut to what is possible, or refused in riddles.
#[test]
fn sizes_that_cannot_be() {
    let name = Name::new();
    for (options, part) in [
        (&["--kind", "mpmc", "--capacity", "1M"][..], "kind mpmc"),
        (&["--kind", "spmc", "--capacity", "1M", "--slots", "4"], "kind spmc"),
        (&["--kind", "spsc", "--slots", "4"], "kind spsc"),
        (&["--slot-bytes", "64"], "kind spsc"),
        (&["--kind", "mpmc", "--slots", "0"], "0 slots"),
        (&["--kind", "mpsc", "--slots", "16777217"], "16777216"),
        (&["--kind", "mpmc", "--slots", "18446744073709551615"], "16777216"),
        (&["--kind", "mpmc", "--slots", "many"], "whole number"),
        (&["--kind", "mpmc", "--slots", "-1"], "'-1'"),
        (&["--kind", "spmc", "--slot-bytes", "0"], "0 bytes"),
        (&["--kind", "mpmc", "--slot-bytes", "8"], "8 bytes"),
        (&["--kind", "mpmc", "--slot-bytes", "1048577"], "1048576"),
        (&["--kind", "mpmc", "--slot-bytes", "18446744073709551615"], "choose"),
        (&["--kind", "mpmc", "--slots", "16M", "--slot-bytes", "1M"], "8589934592"),
        (&["--kind", "packed"], "elements of one type"),
        (&["--kind", "MPMC"], "there are spsc, mpmc"),
    ] {
        // An existing segment makes no difference, nor does the lack of one.
        for more in [&[][..], &["--exist-ok"], &["--recreate"]] {
            let args = [&["create", &name.0], options, more].concat();
            let ended = run(&args).expect_code(2).expect_stderr(part);
            assert_eq!(ended.text(), "", "{args:?}");
        }
        run(&["attach", &name.0]).expect_code(3);
    }
}

// Catches the bounds themselves being refused.
#[test]
fn the_smallest_and_the_largest_slots() {
    let smallest = Name::with_slots("mpmc", "1", "16");
    run_with(&["send", &smallest.0], b"12345678\n").expect_code(0);
    assert_eq!(smallest.drain(), b"12345678\n");
    let largest = Name::with_slots("mpsc", "2", "1M");
    let line = [vec![b'x'; (1 << 20) - 8], vec![b'\n']].concat();
    run_with(&["send", &largest.0], &line).expect_code(0);
    assert!(largest.drain() == line, "the output differs from the input");
    let most = Name::with_slots("spmc", "16M", "16");
    assert_eq!(most.facts()["slots"], 1 << 24);
}

// Catches an existing ring of another kind or size that passes for what was asked for.
#[test]
fn exist_ok() {
    let name = Name::with_slots("mpmc", "1024", "256");
    run_with(&["send", &name.0], b"kept\n").expect_code(0);
    let create = |options: &[&str]| run(&[&["create", &name.0, "--exist-ok"], options].concat());
    for fits in [
        &["--kind", "mpmc"][..],
        &["--kind", "mpmc", "--slots", "1000"],
        &["--kind", "mpmc", "--slot-bytes", "250", "--mode", "0600"],
    ] {
        assert!(create(fits).expect_code(0).text().starts_with("existed"), "{fits:?}");
    }
    for differs in [
        &[][..],
        &["--capacity", "256K"],
        &["--kind", "mpsc"],
        &["--kind", "mpmc", "--slots", "512"],
        &["--kind", "mpmc", "--slots", "1024", "--slot-bytes", "512"],
        &["--kind", "mpmc", "--mode", "0644"],
    ] {
        create(differs).expect_code(7).expect_stderr("1024 slots of 256 bytes");
    }
    assert_eq!(name.drain(), b"kept\n");
    // Bytes cannot be sent there.
    let numbers = typed(&Config::mpmc().values::<u64>());
    let taken = run(&["create", &numbers.0, "--kind", "mpmc", "--exist-ok"]).expect_code(7);
    taken.expect_stderr("elements");
}

// Catches a description that leaves out what is asked of it.
#[test]
fn slot_rings_are_described() {
    for kind in SLOT_KINDS {
        let name = Name::with_slots(kind, "16", "64");
        run_with(&["send", &name.0], b"one\ntwo\nthree\n").expect_code(0);
        run(&["recv", &name.0, "--count", "1"]).expect_code(0);
        let text = run(&["attach", &name.0]).expect_code(0).text();
        let size = format!("{kind} ring, 16 slots of 64 bytes, longest message 448 bytes");
        expect_parts(
            &text,
            &[&size, "2 slots", "1 message received", "producers -", "consumers -"],
        );
        expect_parts(&row(&name), &[kind, "16 x 64 B", "2 slots", "idle"]);
        for facts in [name.facts(), name.listed().expect("the segment")] {
            assert_eq!(facts["slots"], 16);
            assert_eq!(facts["slot_bytes"], 64);
            assert!(facts["element"].is_null());
            assert_eq!(facts["used_slots"], 2);
            assert_eq!(facts["used_bytes"], 128);
            assert_eq!(facts["messages_received"], 1);
            assert_eq!(facts["tombstones"], 0);
            assert_eq!(facts["resolved"], 0);
            assert_eq!(facts["consumers"].as_array().map(Vec::len), Some(0));
        }
    }
}

// Catches a record ring that is described as if it had slots.
#[test]
fn record_rings_have_no_slots() {
    let name = Name::with_ring("4K");
    for facts in [name.facts(), name.listed().expect("the segment")] {
        for absent in ["slots", "slot_bytes", "element", "used_slots"] {
            assert!(facts[absent].is_null(), "{absent}: {facts}");
        }
    }
    assert!(!run(&["attach", &name.0]).expect_code(0).text().contains("slot"));
}

// Catches a listing that names one of many, one that names so many that nothing else
// can be read, and a dead one among them that passes for alive.
#[test]
fn many_participants() {
    let name = Name::with_slots("mpmc", "16", "64");
    let mut senders: Vec<_> = (0..5).map(|_| start(&["send", &name.0])).collect();
    name.await_holders("producers", 5);
    let recv = start(&["recv", &name.0]);
    name.await_role("consumers", recv.pid());
    // Awake, they would clean up after the dead.
    senders.iter().chain([&recv]).for_each(Running::stop);
    let dead = senders.pop().expect("a sender");
    let pid = dead.pid();
    drop(dead);
    let listed = name.listed().expect("the segment");
    let producers = listed["producers"].as_array().expect("a list");
    assert_eq!(producers.len(), 5, "ls joined, or cleaned up");
    for producer in producers {
        assert_eq!(producer["alive"], producer["pid"] != pid, "{producer}");
    }
    expect_parts(&row(&name), &[", +2", &recv.pid().to_string(), "open"]);
    // To attach is to clean up.
    assert_eq!(name.facts()["producers"].as_array().map(Vec::len), Some(4));
    let text = run(&["attach", &name.0]).expect_code(0).text();
    for sender in &senders {
        expect_parts(&text, &[&sender.pid().to_string()]);
    }
}

// Catches bytes taken for numbers, and a refusal that does not say why.
#[test]
fn rings_of_elements() {
    let packed = typed(&Config::packed::<u64>().slots(8));
    for args in [
        &["send", &packed.0][..],
        &["recv", &packed.0],
        &["attach", &packed.0, "--send"],
        &["attach", &packed.0, "--recv"],
    ] {
        let ended = run(args).expect_code(6);
        assert_eq!(ended.text(), "", "{args:?}");
    }
    let refused = run(&["recv", &packed.0]).expect_code(6);
    refused.expect_stderr("kind packed").expect_stderr("record ring or a slot ring");

    let slots = typed(&Config::mpmc().values::<u64>().slots(8));
    run(&["send", &slots.0]).expect_code(6).expect_stderr("8 bytes");
    run(&["attach", &slots.0, "--send"]).expect_code(6);
    // Its bytes can be looked at.
    run(&["recv", &slots.0, "--raw", "--timeout", "20ms"]).expect_code(4);

    for (name, slot_bytes) in [(&packed, 8), (&slots, 16)] {
        let size = format!("8 slots of {slot_bytes} bytes");
        let text = run(&["attach", &name.0]).expect_code(0).text();
        expect_parts(&text, &[&size, "elements of type `u64`, 0x108, 8 bytes aligned to 8"]);
        for facts in [name.facts(), name.listed().expect("the segment")] {
            assert_eq!(facts["slot_bytes"], slot_bytes);
            let element = &facts["element"];
            assert_eq!(element["size_bytes"], 8);
            assert_eq!(element["align_bytes"], 8);
            assert_eq!(element["type_id"], "0x108");
            assert_eq!(element["type_name"], "u64");
        }
    }
    expect_parts(&row(&packed), &["packed", "8 x 8 B"]);
}
