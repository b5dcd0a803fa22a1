//! Every mechanism with several subscribers, checked byte for byte and in short runs.

use std::ops::ControlFlow;

use shmring_bench::contender::Wait;
use shmring_bench::fanout::{self, Flow, Plan, Scenario, Table};

/// How many mechanisms there must be at least.
struct Rows {
    own: usize,
    peers: usize,
}

/// Runs each scenario once, for as short as that makes sense. Who suits it must have a row, or say
/// what the machine lacks.
fn all_do_right(scenarios: &[Scenario], rows: Rows) -> Vec<Table> {
    let plan = Plan {
        rounds: 1,
        kills: 1,
        scenarios: scenarios.to_vec(),
        contender: String::new(),
        executable: env!("CARGO_BIN_EXE_shmring-bench").into(),
        name_prefix: "bench-test-fanout".to_owned(),
    };
    let measured = fanout::measure(&plan, &mut || ControlFlow::Continue(())).expect("figures");
    let text = fanout::text(&measured);
    let least = rows.own + if cfg!(feature = "peers") { rows.peers } else { 0 };
    assert_eq!(measured.tables.len(), scenarios.len());
    for table in &measured.tables {
        assert!(table.absent.iter().all(|absent| !absent.failed), "{text}");
        assert!(table.rows.len() + table.absent.len() >= least, "{text}");
        assert!(text.contains(&table.scenario.to_string()), "{text}");
    }
    measured.tables
}

fn chosen(only: &[&str], run_ms: u64) -> Vec<Scenario> {
    let only: Vec<String> = only.iter().map(|text| (*text).to_owned()).collect();
    let scenarios = fanout::scenarios(&only).into_iter();
    scenarios.map(|scenario| Scenario { run_ms, ..scenario }).collect()
}

// Catches a mechanism that loses, repeats, reorders or changes messages, or that never ends.
#[test]
fn every_subscriber_receives_every_message() {
    for wait in ["spinning", "blocking"] {
        let peers = if wait == "spinning" { 5 } else { 4 };
        all_do_right(&chosen(&["throughput, 64 B", "to 1,", wait], 5), Rows { own: 5, peers });
        all_do_right(&chosen(&["throughput, 64 B", "to 3,", wait], 5), Rows { own: 7, peers });
    }
    all_do_right(&chosen(&["throughput, 1 KiB", "blocking"], 5), Rows { own: 7, peers: 4 });
}

// Catches a subscriber whose latency is left out, and a cost that has no figure.
#[test]
fn what_is_due_reaches_the_last_subscriber() {
    let tables =
        all_do_right(&chosen(&["latency", "to 2", "block"], 50), Rows { own: 7, peers: 4 });
    for row in tables.iter().flat_map(|table| &table.rows) {
        assert!(row.count >= 20 && row.send_ns.median > 0.0, "{row:?}");
    }
    all_do_right(&chosen(&["bursts", "to 8", "block"], 20), Rows { own: 7, peers: 4 });
}

// Catches a slow subscriber that misses messages where it must not.
#[test]
fn a_slow_subscriber_misses_messages_if_it_may() {
    let tables = all_do_right(&chosen(&["slow", "blocking"], 20), Rows { own: 7, peers: 4 });
    for row in tables.iter().flat_map(|table| &table.rows) {
        let may = row.contender.contains("lossy") || row.contender.contains("overflow");
        assert_eq!(row.missed.is_some(), may, "{row:?}");
    }
}

// Catches a producer that waits for a dead subscriber, and a survivor that loses what was sent
// around the death.
#[test]
fn a_killed_subscriber_does_not_hold_up_the_producer() {
    let tables = all_do_right(&chosen(&["killed", "blocking"], 5), Rows { own: 6, peers: 2 });
    assert!(tables.iter().all(|table| table.scenario.flow == Flow::Kill));
    assert!(tables.iter().all(|table| table.scenario.wait == Wait::Block));
    let rows = || tables.iter().flat_map(|table| &table.rows);
    for name in ["record ring each", "broadcast, gating", "broadcast, gating, monitor"] {
        assert!(rows().any(|row| row.contender == name && row.count == 1), "{name}");
    }
}
