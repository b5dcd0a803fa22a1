//! Every mechanism with many producers, checked byte for byte and in short runs.

use std::ops::ControlFlow;

use shmring_bench::queue::{self, Flow, Plan, Scenario, Table};

/// Runs each scenario once, for as short as that makes sense. Each mechanism must have a row, or say
/// what the machine lacks.
fn all_do_right(only: &str, mechanisms: usize) -> Vec<Table> {
    let scenarios = queue::scenarios(&[only.to_owned()]).into_iter();
    let plan = Plan {
        rounds: 1,
        kills: 1,
        scenarios: scenarios.map(|scenario| Scenario { run_ms: 5, ..scenario }).collect(),
        contender: String::new(),
        executable: env!("CARGO_BIN_EXE_shmring-bench").into(),
        name_prefix: "bench-test-queue".to_owned(),
    };
    let measured = queue::measure(&plan, &mut || ControlFlow::Continue(())).expect("figures");
    let text = queue::text(&measured);
    for table in &measured.tables {
        assert!(table.absent.iter().all(|absent| !absent.failed), "{text}");
        assert_eq!(table.rows.len() + table.absent.len(), mechanisms, "{text}");
        assert!(text.contains(&table.scenario.to_string()), "{text}");
    }
    measured.tables
}

// Catches a mechanism that loses, repeats, cuts or changes lines, or that never ends.
#[test]
fn every_line_arrives_whole_and_once() {
    let tables = all_do_right("log", 10);
    let rows = || tables.iter().flat_map(|table| &table.rows);
    for name in ["spans", "spans, 64", "chunks"] {
        let row = rows().find(|row| row.contender == name).expect(name);
        assert!(row.figure.median > 0.0 && row.ratio.is_some(), "{row:?}");
    }
}

// Catches jobs that are lost or done twice.
#[test]
fn every_job_is_done_once() {
    assert_eq!(all_do_right("jobs", 4).len(), 2);
}

// Catches a job that is lost with its worker, and a kill that is not timed.
#[test]
fn the_job_of_a_killed_worker_is_taken() {
    let tables = all_do_right("killed", 3);
    assert!(tables.len() == 2 && tables.iter().all(|table| table.scenario.flow == Flow::Killed));
    assert!(tables.iter().flat_map(|table| &table.rows).all(|row| row.count == 1));
}
