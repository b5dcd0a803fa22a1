//! A reader that was written from the document lists what the library lists.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use shmring::{Config, Kind, Role, Segment, Subscribe};

use crate::common::{Name, SLOT_KINDS, broadcast, payload, slots, watchdog};
use crate::image::path;
use crate::listing::listing;
use crate::scenes::{names, point};

fn has_python() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let version = Command::new("python3").arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    })
}

/// What the reader prints of a file; nothing where there is no Python 3.
fn read(file: &Path) -> Option<String> {
    if !has_python() {
        println!("skipped: there is no python3");
        return None;
    }
    let output = Command::new("python3").arg(path("reader.py")).arg(file).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", file.display());
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Where the data lies with tables of 64 entries.
const DEFAULT_DATA: u64 = 32_768;

#[track_caller]
fn expect_same(name: &Name) {
    if let Some(read) = read(&name.path()) {
        assert_eq!(without_claims(&read), listing(name));
    }
}

/// Whether a line says what the library does not list: the claim of a job that nobody has, and where
/// the next one is looked for.
fn is_of_claims(line: &str) -> bool {
    line.starts_with("job ") || line.starts_with("next ")
}

fn without_claims(read: &str) -> String {
    read.split_inclusive('\n').filter(|line| !is_of_claims(line)).collect()
}

fn claims(read: &str) -> Vec<&str> {
    read.lines().filter(|line| is_of_claims(line)).collect()
}

/// Catches a document that is not sufficient to write a reader.
#[test]
fn golden_files_are_read_by_the_document_alone() {
    for name in names() {
        if let Some(read) = read(&path(&format!("{name}.hex"))) {
            let expected = fs::read_to_string(path(&format!("{name}.txt"))).unwrap();
            assert_eq!(without_claims(&read), expected, "{name}");
        }
    }
}

/// Catches a document that is not sufficient to find out in whose hands jobs are.
#[test]
fn claims_are_read_by_the_document_alone() {
    let Some(found) = read(&path("jobs.hex")) else {
        return;
    };
    let expected = [
        "job 6 taken by handle 1 attempts 1",
        "job 7 taken by handle 3 attempts 1",
        "job 9 returned attempts 2",
        "job 12 fresh attempts 0",
        "next 9",
    ];
    assert_eq!(claims(&found), expected);

    let name = Name::new();
    let segment = name.create(&Config::jobs().slots(16).slot_bytes(64).payload_align(32));
    let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
    for round in 0..12_u64 {
        while tx.try_send(&payload(round, round as usize * 7 % 130)).is_ok() {}
        expect_same(&name);
        let jobs: Vec<_> = (0..3).map(|_| worker.take().unwrap()).collect();
        let taken: Vec<_> = jobs.iter().map(|job| (job.position(), job.attempts())).collect();
        expect_same(&name);
        let read = read(&name.path()).unwrap();
        for (position, attempts) in &taken {
            let line = format!("job {position} taken by handle 1 attempts {attempts}");
            assert!(claims(&read).contains(&&*line), "{line}: {read}");
        }
        // One stays behind, and comes back.
        for (index, job) in jobs.into_iter().enumerate() {
            if index as u64 != round % 3 {
                assert!(job.acknowledge());
            }
        }
        expect_same(&name);
    }
}

/// Catches what only living segments have, and golden ones do not: tokens, other sizes, and
/// damage.
#[test]
fn living_segments_are_read_by_the_document_alone() {
    let _watchdog = watchdog("living_segments_are_read_by_the_document_alone");
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 16, 128));
        for number in 0..40 {
            tx.send(&payload(number, number as usize)).unwrap();
            if number >= 10 {
                rx.recv().unwrap();
            }
        }
        expect_same(&name);
        expect_same_spans(kind);
        let others: Vec<_> = (0..3).map(|_| segment.producer()).collect();
        drop(rx);
        expect_same(&name);
        drop(others);
        // The stamp of a position that is not the slot's.
        name.poke(DEFAULT_DATA + 35 % 16 * 128, 1 << 24 | 1 << 20);
        if kind == Kind::Mpmc {
            expect_same(&name);
            assert!(listing(&name).ends_with("then corrupt at 35\n"));
        }
    }
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(1 << 16);
    for number in 0..300 {
        tx.send(&payload(number, number as usize * 5)).unwrap();
        if number >= 20 {
            rx.recv().unwrap();
        }
        if number % 50 == 7 {
            expect_same(&name);
        }
    }
    broadcasts_are_read_by_the_document_alone();
    let name = Name::new();
    let segment = name.create(&Config::packed::<[u32; 3]>().slots(64));
    let mut tx = segment.value_producer::<[u32; 3]>().unwrap();
    (0..40).for_each(|number| tx.send(&point(number).0).unwrap());
    expect_same(&name);
}

fn broadcasts_are_read_by_the_document_alone() {
    let configs = [broadcast(), broadcast().payload_align(64), broadcast().values::<[u32; 3]>()];
    for config in configs {
        let name = Name::new();
        let segment = name.create(&config);
        expect_same(&name);
        let mut values = segment.value_producer::<[u32; 3]>().ok();
        let mut bytes = segment.producer().ok();
        let mut gating = segment.subscribe(Subscribe::gating()).unwrap();
        let _lossy = segment.subscribe(Subscribe::lossy()).unwrap();
        let mut latest = segment.subscribe(Subscribe::latest()).unwrap();
        for number in 0..900 {
            bytes
                .iter_mut()
                .for_each(|tx| tx.send(&payload(number, number as usize % 99)).unwrap());
            values.iter_mut().for_each(|tx| tx.send(&point(number as u32 % 200).0).unwrap());
            if number >= 10 {
                gating.recv().unwrap();
            }
            if number % 150 == 7 {
                latest.recv().unwrap();
                expect_same(&name);
            }
        }
        let subscribers = segment.status().unwrap();
        let holder = subscribers.ring().holders_of(Role::Consumer).next().unwrap();
        segment.evict(holder).unwrap();
        expect_same(&name);
    }
}

/// Messages of up to six slots, and what a producer leaves that dies in one.
fn expect_same_spans(kind: Kind) {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair_of(&slots(kind, 16, 32));
    for number in 0..40 {
        let len = number as usize * 17 % 144;
        tx.send(&payload(number, len)).unwrap();
        expect_same(&name);
        rx.recv().unwrap();
    }
    tx.send_batch(&[vec![1; 48], vec![2; 24], vec![3; 73]]).unwrap();
    expect_same(&name);
    if kind == Kind::Spmc {
        return;
    }
    // The first stamp is a tombstone, the next one that of a part, as after a death.
    let head = rx.position();
    let stamp = |position: u64, flags: u64| (position + 1) << 24 | flags << 20;
    let at = |position: u64| DEFAULT_DATA + position % 16 * 32;
    name.poke(at(head), stamp(head, 2));
    expect_same(&name);
    name.poke(at(head), stamp(head, 1) | 48);
    name.poke(at(head + 1), stamp(head + 1, 2));
    expect_same(&name);
    assert!(listing(&name).contains("then corrupt at"), "{}", listing(&name));
}

/// Catches a way of looking that shows what was never sent, while others send and receive.
///
/// A reader in Python can do so only where the processor keeps loads in order.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_ring_in_use_shows_nothing_that_was_not_sent() {
    let _watchdog = watchdog("a_ring_in_use_shows_nothing_that_was_not_sent");
    for config in [
        Config::spsc().capacity_bytes(4096),
        slots(Kind::Mpmc, 16, 32),
        slots(Kind::Spmc, 16, 32),
        broadcast(),
        Config::jobs().slots(16).slot_bytes(40),
    ] {
        let name = Name::new();
        let segment = name.create(&config);
        let stop = AtomicBool::new(false);
        let mut shown = 0;
        thread::scope(|scope| {
            scope.spawn(|| traffic(&segment, &stop));
            for _ in 0..6 {
                let read = read(&name.path()).unwrap_or_default();
                for line in read.lines().filter(|line| line.starts_with("message")) {
                    let bytes = line.split_once(": ").unwrap().1;
                    let text: Vec<u8> = (0..bytes.len() / 2)
                        .map(|i| u8::from_str_radix(&bytes[i * 2..i * 2 + 2], 16).unwrap())
                        .collect();
                    assert_eq!(text, message(text[0]), "{line}");
                    shown += 1;
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        println!("{shown} messages shown");
    }
}

fn message(number: u8) -> Vec<u8> {
    let mut bytes = payload(number.into(), usize::from(number % 50) + 1);
    bytes[0] = number;
    bytes
}

/// A ring that is mostly full, and moves.
fn traffic(segment: &Segment, stop: &AtomicBool) {
    let (mut tx, worker) = (segment.producer().unwrap(), segment.worker());
    let mut rx = worker.is_err().then(|| segment.consumer().unwrap());
    let mut number = 0_u8;
    while !stop.load(Ordering::Relaxed) {
        while tx.try_send(&message(number)).is_ok() {
            number = number.wrapping_add(1);
        }
        for _ in 0..3 {
            rx.iter_mut().for_each(|rx| drop(rx.recv().unwrap()));
            worker.iter().for_each(|worker| assert!(worker.take().unwrap().acknowledge()));
        }
    }
}
