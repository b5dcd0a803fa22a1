use super::super::Measured;
use super::*;
use crate::contender::Group;
use crate::contenders::PIPE;
use crate::costs::Unit;
use crate::measure::Outcome;
use crate::results::Run;

/// A quiet and fixed machine of two CPUs.
fn machine() -> Machine {
    Machine {
        cpu: String::new(),
        cpu_model: None,
        cpus: 2,
        virtual_machine: false,
        governor: Some("performance".to_owned()),
        kernel: String::new(),
        date: String::new(),
        commit: None,
        version: String::new(),
    }
}

fn scenario() -> Scenario {
    Scenario::throughput(8, Room::Messages(1024))
}

/// Three runs that agree, and all the room that was asked for.
fn row() -> Row {
    let run = |round| Run {
        round,
        figure: 1.0,
        cpu_ns_per_message: None,
        probe_ns: None,
        messages: 1,
        seconds: 1.0,
    };
    let spread = Spread { median: 1.0, min: 1.0, max: 1.0, q1: 1.0, q3: 1.0 };
    Row {
        contender: PIPE.name.to_owned(),
        group: Group::Kernel,
        about: String::new(),
        capacity_bytes: 8192,
        figure: spread,
        ratio: None,
        probe_ratio: None,
        cpu_ns_per_message: spread,
        cpu_ratio: None,
        switches_per_message: spread,
        latency: None,
        runs: (1..=3).map(run).collect(),
    }
}

/// A contender whose sides waited for their CPUs for these parts of their runs.
fn entry(waited_fractions: &[f64]) -> Entry<'static> {
    let run = |waited: &f64| Measured {
        round: 1,
        outcome: Outcome {
            messages: 1,
            seconds: 1.0,
            figure: 1.0,
            cpu_ns_per_message: 1.0,
            voluntary_switches: 0,
            involuntary_switches: 0,
            waited_fraction: Some(*waited),
            latencies: None,
            capacity_bytes: 0,
        },
        before: None,
        after: None,
        moved: false,
    };
    let runs = waited_fractions.iter().map(run).collect();
    Entry { contender: &PIPE, runs, absent: None }
}

/// What is said of a scenario and a machine where all else is well.
fn said(scenario: &Scenario, machine: &Machine, pinned: bool) -> Vec<String> {
    let (entries, rows) = ([entry(&[0.0])], [row()]);
    warnings(&Facts { scenario, machine, pinned, entries: &entries, rows: &rows, moved: &[] })
}

/// What is said of a row, a contender and its moves on a machine where all is well.
fn said_of(row: Row, entry: Entry<'_>, moved: &[(&'static str, usize)]) -> Vec<String> {
    let (scenario, machine) = (&scenario(), &machine());
    let (entries, rows) = ([entry], [row]);
    warnings(&Facts { scenario, machine, pinned: true, entries: &entries, rows: &rows, moved })
}

// Catches a warning of nothing, which would teach readers to skip the others.
#[test]
fn where_all_is_well_nothing_is_said() {
    assert_eq!(said(&scenario(), &machine(), true), [""; 0]);
}

// Catches figures of two ends on one CPU that pass for those of two.
#[test]
fn ends_that_are_not_pinned_are_told_of() {
    let [warning] = &said(&scenario(), &machine(), false)[..] else { panic!("one warning") };
    assert!(warning.contains("not pinned"), "{warning}");
}

// Catches more ends than CPUs that pass without a word, also where they spin.
#[test]
fn ends_that_share_cpus_are_told_of() {
    let crowd = scenario().between(2, 1);
    let [warning] = &said(&crowd, &machine(), true)[..] else { panic!("one warning") };
    assert!(warning.starts_with("3 ends share two CPUs, and wait by spinning"), "{warning}");
    let [warning] = &said(&crowd.wait(Wait::Block), &machine(), true)[..] else { panic!("one") };
    assert!(warning.starts_with("3 ends share two CPUs: "), "{warning}");
}

// Catches a clock rate that changes, and a governor reported for a machine without one.
#[test]
fn a_clock_rate_that_changes_is_told_of() {
    let with =
        |governor: Option<&str>| Machine { governor: governor.map(str::to_owned), ..machine() };
    let warnings = said(&scenario(), &with(Some("powersave")), true);
    assert_eq!(warnings, ["the clock rate is not fixed (governor `powersave`)"]);
    assert_eq!(said(&scenario(), &with(None), true), [""; 0]);
}

// Catches runs of no one placement that pass without a word.
#[test]
fn runs_that_moved_are_told_of() {
    let [warning] = &said_of(row(), entry(&[0.0]), &[("pipe", 2)])[..] else { panic!("one") };
    assert!(warning.starts_with("the CPUs moved") && warning.ends_with("pipe (2)"), "{warning}");
}

// Catches a median of one or two runs that passes for one of many.
#[test]
fn few_runs_are_told_of() {
    let mut few = row();
    few.runs.pop();
    assert_eq!(said_of(few, entry(&[0.0]), &[]), ["few runs count: pipe (2)"]);
}

// Catches other work that goes unseen, and one disturbed run of many that is held against all.
#[test]
fn other_work_on_the_cpus_is_told_of() {
    let [warning] = &said_of(row(), entry(&[0.3, 0.3, 0.0]), &[])[..] else { panic!("one") };
    assert!(warning.starts_with("other programs") && warning.ends_with("pipe (30 %)"), "{warning}");
    assert_eq!(said_of(row(), entry(&[0.3, 0.0, 0.0]), &[]), [""; 0]);
}

// Catches figures that lie far apart and pass for agreeing ones.
#[test]
fn figures_that_lie_far_apart_are_told_of() {
    let spread = Spread { median: 1.0, min: 0.1, max: 9.0, q1: 0.8, q3: 1.3 };
    let wide = Row { figure: spread, ..row() };
    let [warning] = &said_of(wide, entry(&[0.0]), &[])[..] else { panic!("one warning") };
    assert!(warning.contains("far apart") && warning.ends_with("pipe"), "{warning}");
    let cost = CostRow {
        cost: "clock".to_owned(),
        about: String::new(),
        unit: Unit::Ns,
        figure: spread,
        runs: vec![1.0],
    };
    assert!(of_costs(&[cost])[0].ends_with("clock"));
}

// Catches a mechanism that was given less room than the others without a word.
#[test]
fn less_room_than_was_asked_for_is_told_of() {
    let cramped = Row { capacity_bytes: 80, ..row() };
    let [warning] = &said_of(cramped, entry(&[0.0]), &[])[..] else { panic!("one warning") };
    assert!(warning.starts_with("less room") && warning.ends_with("pipe (80 B)"), "{warning}");
    let untold = Row { capacity_bytes: 0, ..row() };
    assert_eq!(said_of(untold, entry(&[0.0]), &[]), [""; 0]);
}

// Catches a warning that is longer than its table.
#[test]
fn a_long_list_of_names_is_cut() {
    let names = |count: u32| (1..=count).map(|number| number.to_string());
    assert_eq!(told("odd", names(7)).expect("words"), "odd: 1, 2, 3, 4, 5, 6, 7");
    assert_eq!(told("odd", names(9)).expect("words"), "odd: 1, 2, 3, 4, 5, 6, and 3 more");
}
