//! Every contender, checked byte for byte in every flow and way of waiting that it has.

use std::ops::ControlFlow;

use shmring_bench::contender::{Room, Wait};
use shmring_bench::contenders;
use shmring_bench::presets::{Planned, Preset, Who};
use shmring_bench::scenario::Scenario;
use shmring_bench::session::{Choice, Session};

/// Runs a session of one round of these scenarios. Whoever suits them must have figures, or say
/// why the machine cannot run it.
fn all_do_right(scenarios: &[Scenario], rows: usize) {
    let tables = scenarios.iter().cloned().map(|scenario| Planned { scenario, who: Who::All });
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
    for (wait, rows) in [(Wait::Spin, 26), (Wait::Adaptive, 22), (Wait::Block, 24)] {
        let scenarios = [
            Scenario::throughput(8, deep),
            Scenario::throughput(8, deep).batch(32),
            Scenario::throughput(64, deep),
        ];
        all_do_right(&scenarios.map(|scenario| short(scenario.wait(wait))), rows);
    }
    let long = Scenario::throughput(5000, Room::Bytes(1 << 16)).wait(Wait::Block);
    all_do_right(&[short(long)], 23);
}

// Catches an answer to another message, and a game that does not end.
#[test]
fn messages_go_there_and_back() {
    for (wait, rows) in [(Wait::Spin, 30), (Wait::Adaptive, 24), (Wait::Block, 28)] {
        all_do_right(&[short(Scenario::ping_pong(8).wait(wait))], rows);
    }
    all_do_right(&[short(Scenario::ping_pong(200).wait(Wait::Block))], 23);
}

// Catches a loss at a fixed rate.
#[test]
fn what_is_due_arrives() {
    let scenario = Scenario::ping_pong(8).one_way(20_000);
    all_do_right(&[short(scenario.wait(Wait::Adaptive))], 23);
}

// Catches a message that is shown before it is written, or freed before it is read.
#[test]
fn messages_in_place_are_whole() {
    let scenario = Scenario::throughput(4096, Room::Bytes(1 << 16)).in_place();
    all_do_right(&[short(scenario)], 7);
}

// Catches messages of several producers that mix, and consumers that take the same one.
#[test]
fn several_share_a_mechanism() {
    for (producers, consumers, rows) in [(2, 1, 9), (1, 2, 7), (2, 2, 4)] {
        let scenario = Scenario::throughput(8, Room::Messages(64)).wait(Wait::Adaptive);
        all_do_right(&[short(scenario.between(producers, consumers))], rows);
    }
    let spinning = Scenario::throughput(8, Room::Messages(64)).batch(8).between(2, 2);
    all_do_right(&[short(spinning)], 5);
}
