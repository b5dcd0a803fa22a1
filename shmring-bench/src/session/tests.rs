use super::*;
use crate::contenders::{MIXED, PIPE};
use crate::costs::{self, Cost, Reading};
use crate::presets::{Planned, Who};
use crate::probe::Placement;
use crate::worker::Tick;

/// The cost that this machine lacks.
const MISSING: &str = "membarrier";

/// A bench that gives figures from lists.
struct Script {
    /// One for each probe, then the last again and again.
    probes_ns: Vec<f64>,
    /// The contender that fails in timed runs.
    failing: &'static str,
    /// Contenders, in the order of their timed runs.
    runs: Vec<&'static str>,
    checks: usize,
    /// The costs of each reading, in their order.
    costs: Vec<Vec<&'static str>>,
}

impl Script {
    fn new(probes_ns: &[f64]) -> Script {
        let probes_ns = probes_ns.iter().rev().copied().collect();
        Script { probes_ns, failing: "", runs: Vec::new(), checks: 0, costs: Vec::new() }
    }
}

impl Bench for Script {
    fn probe(&mut self, _: &mut Tick<'_>) -> Result<Option<Probe>, Error> {
        let one_way_ns = match self.probes_ns.len() {
            1 => self.probes_ns[0],
            _ => self.probes_ns.pop().expect("a probe"),
        };
        Ok(Some(Probe { one_way_ns, placement: Placement::guess(one_way_ns) }))
    }

    fn costs(&mut self, costs: &[Cost], tick: &mut Tick<'_>) -> Result<Vec<Reading>, Error> {
        if tick(0).is_break() {
            return Err(Error::Stopped);
        }
        self.costs.push(costs.iter().map(|cost| cost.name).collect());
        let figure = self.costs.len() as f64;
        let read = |cost: &Cost| {
            if cost.name == MISSING { Err("not here".to_owned()) } else { Ok(figure) }
        };
        Ok(costs.iter().map(read).collect())
    }

    fn run(
        &mut self,
        contender: &Contestant,
        _: &Scenario,
        check: bool,
        tick: &mut Tick<'_>,
    ) -> Result<Outcome, Error> {
        if tick(0).is_break() {
            return Err(Error::Stopped);
        }
        if check {
            self.checks += 1;
        } else if contender.name == self.failing {
            return Err(Error::Options { what: "it lost a message".to_owned() });
        } else {
            self.runs.push(contender.name);
        }
        Ok(Outcome {
            messages: 1000,
            seconds: 0.1,
            figure: self.runs.len() as f64,
            cpu_ns_per_message: 1.0,
            voluntary_switches: 0,
            involuntary_switches: 0,
            waited_fraction: None,
            latencies: None,
            capacity_bytes: 0,
        })
    }
}

fn preset() -> Preset {
    let scenario = Scenario::throughput(64, crate::contender::Room::Messages(16))
        .wait(crate::contender::Wait::Block);
    Preset {
        name: "test",
        rounds: 1,
        costs: true,
        tables: vec![Planned { scenario, who: Who::All }],
    }
}

fn choice(rounds: u32) -> Choice {
    let name_prefix = "none".to_owned();
    Choice { rounds, only: String::new(), executable: PathBuf::new(), name_prefix }
}

fn run(script: &mut Script, rounds: u32, watch: &mut Watch<'_>) -> Report {
    let (preset, choice) = (preset(), choice(rounds));
    let mut session = Session::new(&preset, &MIXED, &choice).expect("a session");
    session.cpus = Some([0, 1]);
    session.run_on(script, watch).expect("a report")
}

const GO_ON: fn(&Progress<'_>) -> ControlFlow<()> = |_| ControlFlow::Continue(());

// Catches rounds that do not alternate, a contender that is not checked first, and a ratio of
// figures from different rounds.
#[test]
fn all_are_checked_and_then_run_in_alternating_rounds() {
    let mut script = Script::new(&[50.0]);
    let report = run(&mut script, 3, &mut { GO_ON });
    let [ring, pipe] = MIXED.map(|contender| contender.name);
    assert_eq!(script.checks, 2);
    assert_eq!(script.runs, [ring, pipe, pipe, ring, ring, pipe]);
    let table = &report.tables[0];
    assert_eq!((report.rounds_done, table.rows.len()), (3, 2));
    let figures =
        |row: &crate::results::Row| row.runs.iter().map(|run| run.figure).collect::<Vec<_>>();
    assert_eq!(figures(&table.rows[0]), [1.0, 4.0, 5.0]);
    assert_eq!(figures(&table.rows[1]), [2.0, 3.0, 6.0]);
    // The pipe is the reference; ratios are 1/2, 4/3 and 5/6.
    assert_eq!(table.rows[0].ratio.expect("a ratio").median, 5.0 / 6.0);
}

// Catches costs that are read in one order only, or again although the machine lacks them.
#[test]
fn costs_are_read_once_a_round_in_alternating_order() {
    let mut script = Script::new(&[50.0]);
    let report = run(&mut script, 3, &mut { GO_ON });
    let names: Vec<&str> = costs::ALL.iter().map(|cost| cost.name).collect();
    let there: Vec<&str> = names.iter().copied().filter(|name| *name != MISSING).collect();
    let backwards: Vec<&str> = there.iter().rev().copied().collect();
    assert_eq!(script.costs, [names, backwards, there.clone()]);
    let costs = report.costs.expect("costs");
    assert_eq!(costs.rows.len(), there.len());
    assert!(costs.rows.iter().all(|row| row.runs == [1.0, 2.0, 3.0] && row.figure.median == 2.0));
    let [absent] = &costs.absent[..] else { panic!("{:?}", costs.absent) };
    assert!(absent.name == MISSING && !absent.failed && absent.why == "not here");
}

// Catches costs that are measured without a request.
#[test]
fn only_what_is_asked_for_is_measured() {
    let preset = preset();
    let size = |only: &str| {
        let choice = Choice { only: only.to_owned(), ..choice(1) };
        Session::new(&preset, &MIXED, &choice).map(|session| session.size()).ok()
    };
    let all = costs::ALL.len();
    assert_eq!(size(""), Some((2, 1, all)));
    assert_eq!(size("record"), Some((2, 1, 0)), "the reference stays");
    assert_eq!(size("memcpy"), Some((0, 0, 4)));
    assert_eq!(size("costs"), Some((0, 0, all)));
    assert_eq!(size("nothing of that name"), None);
}

// Catches a run that counts although the CPUs moved under it.
#[test]
fn a_run_under_which_the_cpus_moved_is_dropped_and_done_again() {
    // Before the first run near, after it far: it is redone, far.
    let mut script = Script::new(&[50.0, 210.0, 210.0]);
    let report = run(&mut script, 1, &mut { GO_ON });
    let table = &report.tables[0];
    assert_eq!((table.dropped_runs, script.runs.len()), (1, 3));
    assert_eq!(table.rows[0].runs[0].figure, 2.0);
    assert_eq!(table.placement, Some(Placement::Far));
}

// Catches an endless repetition, and one that is given up without a word.
#[test]
fn cpus_that_never_rest_are_told_of() {
    let restless: Vec<f64> = (0..20).map(|i| if i % 2 == 0 { 50.0 } else { 210.0 }).collect();
    let mut script = Script::new(&restless);
    let report = run(&mut script, 1, &mut { GO_ON });
    let table = &report.tables[0];
    assert_eq!((table.dropped_runs, script.runs.len()), (4, 6));
    assert!(table.warnings.iter().any(|warning| warning.contains("moved")), "{:?}", table.warnings);
}

// Catches figures of two placements in one median.
#[test]
fn runs_in_another_placement_than_most_are_left_out() {
    // Between the first round and the second, the CPUs move; a fresh probe of the same placement
    // stands before and after each of the later runs.
    let mut script = Script::new(&[50.0, 52.0, 50.0, 70.0, 100.0, 110.0, 115.0, 120.0, 125.0]);
    let report = run(&mut script, 4, &mut { GO_ON });
    let table = &report.tables[0];
    assert!(table.left_out_runs > 0 && table.placement.is_some(), "{table:?}");
    let counted: usize = table.rows.iter().map(|row| row.runs.len()).sum();
    assert_eq!(counted + table.left_out_runs as usize, 8);
}

// Catches a contender that failed and yet has figures, or that ends the session.
#[test]
fn who_fails_is_out_and_the_others_go_on() {
    let mut script = Script { failing: PIPE.name, ..Script::new(&[50.0]) };
    let report = run(&mut script, 3, &mut { GO_ON });
    let table = &report.tables[0];
    assert_eq!((table.rows.len(), table.rows[0].runs.len()), (1, 3));
    let absent = &table.absent[0];
    assert!(absent.failed && absent.name == PIPE.name && absent.why == "it lost a message");
}

// Catches an interrupt that loses what is complete, or that counts a round which is not.
#[test]
fn an_interrupted_session_gives_what_is_complete() {
    let mut calls = 0;
    // Two checks, two rounds of the costs and two runs, and one more reading of the costs.
    let mut watch = |_: &Progress<'_>| {
        calls += 1;
        if calls > 9 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let report = run(&mut Script::new(&[50.0]), 9, &mut watch);
    assert_eq!((report.rounds_done, report.rounds), (2, 9));
    assert!(report.tables[0].rows.iter().all(|row| row.runs.len() >= 2));
    let text = crate::report::tables(&report);
    assert!(text.contains("2 of 9 rounds, as it was interrupted"), "{text}");
}

// Catches fields that do not come back, and so would be lost to `compare` and `draw`.
#[test]
fn a_report_comes_back_from_json_as_it_was() {
    let report = run(&mut Script::new(&[50.0]), 4, &mut { GO_ON });
    let json = serde_json::to_string(&report).expect("JSON");
    assert_eq!(serde_json::from_str::<Report>(&json).expect("a report"), report);
}

// Catches a page that needs a network, or a text that does not fit a terminal of 100 columns.
#[test]
fn the_page_needs_no_network_and_the_text_fits() {
    let report = run(&mut Script::new(&[50.0]), 4, &mut { GO_ON });
    let page = crate::report::html(&report);
    for reference in ["http://", "https://", "src=", "<link", "@import", "url("] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(page.contains("<svg") && page.ends_with("</html>\n"));
    let text = crate::report::tables(&report);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}
