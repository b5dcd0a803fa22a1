use super::*;
use crate::contenders;
use crate::transfer::Usage;

/// A run of one second and 1000 messages.
fn run(mb_per_s: f64, before_ns: f64, after_ns: f64) -> Run {
    let probe = |one_way_ns| Probe { one_way_ns, placement: Placement::guess(one_way_ns) };
    let usage = |cpu| Usage {
        cpu: Some(cpu),
        cpu_ns_per_message: 100.0,
        voluntary_switches: 1,
        involuntary_switches: 2,
        waited_ns: Some(1000),
    };
    let transfer = Transfer {
        contender: String::from("pipe"),
        capacity_bytes: 1 << 20,
        messages: 1000,
        bytes: 1_000_000,
        seconds: 1.0,
        mb_per_s,
        messages_per_s: 1000.0,
        producer: usage(0),
        consumer: usage(1),
        verified: true,
    };
    let (before, after) = (probe(before_ns), probe(after_ns));
    Run { transfer, before: Some(before), after: Some(after), moved: after.moved_since(&before) }
}

fn warnings_for(runs: Vec<Run>) -> Vec<Warning> {
    warnings(&[summarise(&contenders::PIPE, runs).unwrap()], false, 1 << 20)
}

#[test]
fn steady_runs_on_a_quiet_machine_give_no_warning() {
    assert_eq!(warnings_for(vec![run(100.0, 50.0, 51.0), run(110.0, 49.0, 50.0)]), []);
}

#[test]
fn figures_are_medians_with_their_spread() {
    let runs = [120.0, 100.0, 110.0].map(|mb_per_s| run(mb_per_s, 50.0, 50.0));
    let summary = summarise(&contenders::PIPE, runs.to_vec()).unwrap();
    let Spread { median, min, max, .. } = summary.mb_per_s;
    assert_eq!([median, min, max], [110.0, 100.0, 120.0]);
    assert_eq!(summary.cpu_ns_per_message.median, 200.0);
}

#[test]
fn a_move_within_a_run_and_one_between_runs_are_told_apart() {
    let within = warnings_for(vec![run(100.0, 50.0, 211.0)]);
    assert_eq!(within, [Warning::Moved { contender: String::from("pipe"), runs: 1 }]);
    let between = warnings_for(vec![run(100.0, 211.0, 211.0), run(100.0, 50.0, 50.0)]);
    let placements = vec![Placement::Near, Placement::Far];
    assert_eq!(between, [Warning::Placements { placements }]);
}

#[test]
fn short_wide_busy_and_cramped_runs_are_warned_of() {
    let mut runs = vec![run(100.0, 50.0, 50.0), run(200.0, 50.0, 50.0)];
    for run in &mut runs {
        run.transfer.seconds = 0.05;
        run.transfer.producer.waited_ns = Some(25_000_000);
        run.transfer.capacity_bytes = 65536;
    }
    let contender = String::from("pipe");
    let expected = [
        Warning::Busy { contender: contender.clone(), waited_fraction: 0.5 },
        Warning::Short { contender: contender.clone(), seconds: 0.05 },
        Warning::Wide { contender: contender.clone(), ratio: 2.0 },
        Warning::Capacity { contender, capacity_bytes: 65536 },
    ];
    assert_eq!(warnings_for(runs), expected);
}
