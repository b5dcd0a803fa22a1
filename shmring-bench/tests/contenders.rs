//! Every contender, checked byte for byte in every flow and way of waiting that it has. Built with
//! the cargo feature `peers`, it is other projects' turn, and theirs alone.

use std::collections::HashSet;
use std::ops::ControlFlow;

use shmring_bench::contender::{Group, Room, Wait};
use shmring_bench::contenders;
use shmring_bench::presets::{Planned, Preset, Who};
use shmring_bench::scenario::Scenario;
use shmring_bench::session::{Choice, Session};

const WHO: Who = match cfg!(feature = "peers") {
    true => Who::Groups(&[Group::Peer, Group::Threads]),
    false => Who::All,
};

/// How many there must be at least.
struct Rows {
    own: usize,
    peers: usize,
}

const fn rows(own: usize, peers: usize) -> Rows {
    Rows { own, peers }
}

/// Runs a session of one round of these scenarios. Whoever suits them must have figures, or say
/// why the machine cannot run it.
fn all_do_right(scenarios: &[Scenario], rows: Rows) {
    let rows = if cfg!(feature = "peers") { rows.peers } else { rows.own };
    let tables = scenarios.iter().cloned().map(|scenario| Planned { scenario, who: WHO });
    let preset = Preset { name: "test", rounds: 1, costs: false, tables: tables.collect() };
    let choice = Choice {
        rounds: 1,
        only: String::new(),
        executable: env!("CARGO_BIN_EXE_shmring-bench").into(),
        name_prefix: "bench-test-contenders".to_owned(),
    };
    let session = Session::new(&preset, contenders::ALL, &choice).expect("a session");
    let report = session.run(&mut |_| ControlFlow::Continue(())).expect("a report");
    assert_eq!(report.tables.len(), scenarios.len());
    for table in &report.tables {
        for absent in &table.absent {
            let words = format!("{} in {}: {}", absent.name, table.scenario, absent.why);
            assert!(!absent.failed, "{words}");
            println!("skipped: {words}");
        }
        let names: Vec<&str> = table.rows.iter().map(|row| &*row.contender).collect();
        let there = table.rows.len() + table.absent.len();
        assert!(there >= rows, "{}: only {names:?}", table.scenario);
    }
}

fn short(scenario: Scenario) -> Scenario {
    Scenario { run_ms: 5, ..scenario }
}

// Catches a mechanism that loses, repeats, reorders or changes messages, or that never ends.
#[test]
fn streams_arrive_as_they_were_sent() {
    let deep = Room::Messages(64);
    let ways =
        [(Wait::Spin, rows(18, 13)), (Wait::Adaptive, rows(14, 8)), (Wait::Block, rows(16, 6))];
    for (wait, rows) in ways {
        let scenarios = [
            Scenario::throughput(8, deep),
            Scenario::throughput(8, deep).batch(32),
            Scenario::throughput(64, deep),
        ];
        all_do_right(&scenarios.map(|scenario| short(scenario.wait(wait))), rows);
    }
    let long = Scenario::throughput(5000, Room::Bytes(1 << 16)).wait(Wait::Block);
    all_do_right(&[short(long)], rows(15, 4));
}

// Catches an answer to another message, and a game that does not end.
#[test]
fn messages_go_there_and_back() {
    let ways =
        [(Wait::Spin, rows(21, 13)), (Wait::Adaptive, rows(15, 8)), (Wait::Block, rows(19, 6))];
    for (wait, rows) in ways {
        all_do_right(&[short(Scenario::ping_pong(8).wait(wait))], rows);
    }
    all_do_right(&[short(Scenario::ping_pong(200).wait(Wait::Block))], rows(15, 4));
}

// Catches a loss at a fixed rate.
#[test]
fn what_is_due_arrives() {
    let scenario = Scenario::ping_pong(8).one_way(20_000);
    all_do_right(&[short(scenario.wait(Wait::Adaptive))], rows(14, 8));
    let paced = Scenario::ping_pong(8).wait(Wait::Block).paced(20_000, 5);
    all_do_right(&[paced], rows(17, 6));
}

// Catches a message that is shown before it is written, or freed before it is read.
#[test]
fn messages_in_place_are_whole() {
    let scenario = Scenario::throughput(4096, Room::Bytes(1 << 16)).in_place();
    all_do_right(&[short(scenario)], rows(4, 6));
}

// Catches messages of several producers that mix, and consumers that take the same one.
#[test]
fn several_share_a_mechanism() {
    let numbers = [(2, 1, rows(4, 6)), (1, 2, rows(2, 2)), (2, 2, rows(1, 2))];
    for (producers, consumers, rows) in numbers {
        let scenario = Scenario::throughput(8, Room::Messages(64)).wait(Wait::Adaptive);
        all_do_right(&[short(scenario.between(producers, consumers))], rows);
    }
    let spinning = Scenario::throughput(8, Room::Messages(64)).batch(8).between(2, 2);
    all_do_right(&[short(spinning)], rows(2, 3));
}

// Catches a peer that does wrong with one of the types that it is made for, and with producers that
// only spin.
#[test]
#[cfg(feature = "peers")]
fn peers_move_every_type() {
    let of_len = |len| short(Scenario::throughput(len, Room::Messages(64)));
    all_do_right(&[of_len(56), of_len(256), of_len(1024), of_len(4096)], rows(0, 12));
    all_do_right(&[of_len(5000)], rows(0, 10));
    all_do_right(&[of_len(8).between(2, 1)], rows(0, 8));
}

// Catches a worker that runs another contender than its parent meant, as a name and a length are
// all that it is told.
#[test]
fn a_name_and_a_length_tell_one_contender() {
    for len in (1..300).chain([1000, 1024, 4096, 5000, 65536, 1 << 20]) {
        let takers = contenders::ALL.iter().filter(|taker| taker.nature.sizes.contain(len));
        let names: Vec<&str> = takers.map(|taker| taker.name).collect();
        let different: HashSet<&str> = names.iter().copied().collect();
        assert_eq!(names.len(), different.len(), "for {len} bytes: {names:?}");
    }
}
