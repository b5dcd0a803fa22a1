//! What a session says of faulty mechanisms, in every flow and between every number of processes.

use std::ops::ControlFlow;

use shmring_bench::Contestant;
use shmring_bench::contender::{Room, Wait};
use shmring_bench::presets::{Planned, Preset, Who};
use shmring_bench::scenario::{Flow, Scenario};
use shmring_bench::session::{Choice, Session};

use crate::mechanisms::{self, WRONGS};

/// Why a contender has no row after a session of one round; `None` if it has one.
fn session_of(name: &str, scenario: &Scenario) -> Option<String> {
    let tables = vec![Planned { scenario: scenario.clone(), who: Who::All }];
    let preset = Preset { name: "faults", rounds: 1, costs: false, tables };
    let choice = Choice {
        rounds: 1,
        only: String::new(),
        executable: "/proc/self/exe".into(),
        name_prefix: "bench-test-faults".to_owned(),
    };
    let faulty: Vec<Contestant> =
        mechanisms::all().into_iter().filter(|faulty| faulty.name == name).collect();
    let session = Session::new(&preset, &faulty, &choice).expect("a session");
    let report = session.run(&mut |_| ControlFlow::Continue(())).expect("a report");
    let [table] = &report.tables[..] else { panic!("one table") };
    match (&table.rows[..], &table.absent[..]) {
        ([row], []) => {
            assert!(row.figure.median > 0.0 && row.runs[0].messages > 0);
            None
        }
        ([], [absent]) if absent.failed => Some(absent.why.clone()),
        other => panic!("{name}: {other:?}"),
    }
}

fn stream() -> Scenario {
    Scenario { run_ms: 10, ..Scenario::throughput(64, Room::Messages(64)).wait(Wait::Block) }
}

/// Every flow, and batches.
fn flows() -> [Scenario; 6] {
    let ping_pong = Scenario::ping_pong(64).wait(Wait::Block);
    [
        stream(),
        stream().batch(16),
        stream().in_place(),
        stream().one_way(20_000),
        stream().paced(20_000, 10),
        Scenario { run_ms: 10, ..ping_pong },
    ]
}

/// Each wrong in each of these scenarios must be found by who receives, or by the account of all;
/// an innocent must have figures.
fn are_found_out(mechanism: &str, wrongs: &[&str], scenarios: &[Scenario]) {
    for scenario in scenarios {
        assert_eq!(session_of(&format!("innocent{mechanism}"), scenario), None, "{scenario}");
        for wrong in wrongs {
            // A ping-pong that lost a message waits for it for ever, as it should.
            let waits = ["loses", "reorders", "replaces"].contains(wrong);
            if scenario.flow == Flow::PingPong && waits {
                continue;
            }
            let name = format!("{wrong}{mechanism}");
            let why = session_of(&name, scenario);
            let why = why.unwrap_or_else(|| panic!("{name} has figures in {scenario}"));
            let finders = ["consumer", "ping", "pong", "threads"];
            let found = finders.iter().any(|role| why.contains(&format!("the {role} failed")));
            assert!(found, "{name} in {scenario}: {why}");
        }
    }
}

pub(crate) fn every_fault_between_processes_is_found_in_every_flow() {
    are_found_out("", &WRONGS, &flows());
}

pub(crate) fn every_fault_between_threads_is_found_in_every_flow() {
    are_found_out(", channel", &WRONGS, &flows());
}

pub(crate) fn every_fault_of_several_producers_is_found() {
    are_found_out("", &WRONGS, &[stream().between(2, 1), stream().batch(16).between(2, 1)]);
}

// Of consumers that compete, one may get a message and another the one before it: nobody can tell
// whether they came in another order.
pub(crate) fn every_fault_before_competing_consumers_is_found() {
    let wrongs: Vec<&str> = WRONGS.into_iter().filter(|wrong| *wrong != "reorders").collect();
    let batches = stream().batch(16).between(2, 2);
    are_found_out(", ring", &wrongs, &[stream().between(1, 2), stream().between(2, 2), batches]);
}

pub(crate) fn an_empty_poll_is_never_counted() {
    let [stream, batches, _, one_way, paced, ping_pong] = flows();
    for scenario in [stream, batches, one_way, paced, ping_pong] {
        assert!(session_of("polls empty", &scenario).is_some(), "{scenario}");
    }
}

pub(crate) fn a_loss_after_the_check_is_found_too() {
    let scenario = Scenario::throughput(64, Room::Messages(64)).wait(Wait::Block);
    let why = session_of("loses late", &scenario).expect("a failure");
    assert!(why.contains("message 20001 of producer 0 came too early"), "{why}");
}
