//! Mechanisms that do wrong must be found out, and workers that fail must be heard of: otherwise
//! "verified" means nothing.
//!
//! Each mechanism here is the pipe with one fault. They exist in this executable alone, which is
//! why it has a `main` of its own that takes the workers.

use std::ops::ControlFlow;
use std::panic;
use std::process::ExitCode;

use nix::sys::signal::{Signal, raise};
use shmring_bench::contender::{
    BoxError, Contender, Nature, Place, Prepared, Room, Sender, Setting, Wait,
};
use shmring_bench::contenders::kernel::Pipe;
use shmring_bench::presets::{Planned, Preset, Who};
use shmring_bench::scenario::{Flow, Scenario};
use shmring_bench::session::{Choice, Session};
use shmring_bench::{
    Contestant, Error, Options, Transfer, WorkerFailure, intercept_with, transfer,
};

/// What a fault does with the struck message, instead of sending it.
trait Fault {
    const NAME: &'static str;
    /// The message that it strikes.
    const STRUCK: u64 = 5;
    fn strike(message: &[u8], held: &mut Option<Vec<u8>>, pipe: &mut PipeSender) -> Sent;
}

type PipeSender = <Pipe as Contender>::Sender;
type Sent = Result<(), BoxError>;

/// The pipe, but for one message.
struct Faulty<F>(std::marker::PhantomData<F>);

struct FaultySender<F> {
    pipe: PipeSender,
    sent: u64,
    held: Option<Vec<u8>>,
    fault: std::marker::PhantomData<F>,
}

impl<F: Fault> Contender for Faulty<F> {
    const NAME: &'static str = F::NAME;
    const ABOUT: &'static str = "a pipe with a fault";
    const NATURE: Nature = Pipe::NATURE;
    type Sender = FaultySender<F>;
    type Receiver = <Pipe as Contender>::Receiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        Pipe::prepare(setting)
    }

    fn open_sender(place: Place) -> Result<Self::Sender, BoxError> {
        let pipe = Pipe::open_sender(place)?;
        Ok(FaultySender { pipe, sent: 0, held: None, fault: std::marker::PhantomData })
    }

    fn open_receiver(place: Place) -> Result<Self::Receiver, BoxError> {
        Pipe::open_receiver(place)
    }
}

impl<F: Fault> Sender for FaultySender<F> {
    fn send(&mut self, message: &[u8]) -> Sent {
        self.sent += 1;
        if self.sent - 1 == F::STRUCK {
            return F::strike(message, &mut self.held, &mut self.pipe);
        }
        self.pipe.send(message)?;
        self.held.take().map_or(Ok(()), |held| self.pipe.send(&held))
    }

    fn finish(self) -> Sent {
        self.pipe.finish()
    }
}

/// Defines a fault: what happens to the struck message.
macro_rules! fault {
    ($type:ident, $name:literal, |$message:ident, $held:ident, $pipe:ident| $strike:expr) => {
        struct $type;
        impl Fault for $type {
            const NAME: &'static str = $name;
            fn strike(
                $message: &[u8],
                $held: &mut Option<Vec<u8>>,
                $pipe: &mut PipeSender,
            ) -> Sent {
                $strike
            }
        }
    };
}

fault!(Innocent, "none", |message, _held, pipe| pipe.send(message));
fault!(Loses, "loses", |_message, _held, _pipe| Ok(()));
fault!(Repeats, "repeats", |message, _held, pipe| {
    pipe.send(message)?;
    pipe.send(message)
});
fault!(Reorders, "reorders", |message, held, _pipe| {
    *held = Some(message.to_vec());
    Ok(())
});
fault!(Truncates, "truncates", |message, _held, pipe| pipe.send(&message[..message.len() - 1]));
fault!(Corrupts, "corrupts", |message, _held, pipe| {
    let mut message = message.to_vec();
    // Struck there and back, it must not come to be what it was.
    let last = message.last_mut().ok_or("empty")?;
    *last = last.wrapping_add(1);
    pipe.send(&message)
});
fault!(Refuses, "refuses", |_message, _held, _pipe| Err("out of paper".into()));
fault!(Panics, "panics", |_message, _held, _pipe| panic!("cannot go on"));
fault!(Exits, "exits", |_message, _held, _pipe| std::process::exit(7));
fault!(Dies, "dies", |_message, _held, _pipe| Ok(raise(Signal::SIGKILL)?));

fault!(Invents, "invents", |message, _held, pipe| {
    // As if a poll that found nothing had been taken for a message.
    pipe.send(message)?;
    pipe.send(&vec![0; message.len()])
});

/// Loses a message long after any check is over.
struct LosesLate;
impl Fault for LosesLate {
    const NAME: &'static str = "loses late";
    const STRUCK: u64 = 20_000;
    fn strike(_: &[u8], _: &mut Option<Vec<u8>>, _: &mut PipeSender) -> Sent {
        Ok(())
    }
}

const FAULTY: [Contestant; 12] = [
    Contestant::of::<Faulty<Innocent>>(),
    Contestant::of::<Faulty<Loses>>(),
    Contestant::of::<Faulty<Repeats>>(),
    Contestant::of::<Faulty<Reorders>>(),
    Contestant::of::<Faulty<Truncates>>(),
    Contestant::of::<Faulty<Corrupts>>(),
    Contestant::of::<Faulty<Refuses>>(),
    Contestant::of::<Faulty<Panics>>(),
    Contestant::of::<Faulty<Exits>>(),
    Contestant::of::<Faulty<Dies>>(),
    Contestant::of::<Faulty<Invents>>(),
    Contestant::of::<Faulty<LosesLate>>(),
];

fn run(name: &str) -> Result<Transfer, Error> {
    let options = Options { total_bytes: 1_000_000, ..Options::default() };
    let faulty = FAULTY.iter().find(|faulty| faulty.name == name).expect("a known fault");
    transfer(faulty, &options, &mut |_| ControlFlow::Continue(()))
}

/// The words of the worker that failed in this role.
fn failure(name: &str, role: &str) -> String {
    let Err(Error::Workers(failures)) = run(name) else {
        panic!("{name}: the workers did not fail")
    };
    let of_role = |failure: &&WorkerFailure| failure.role == role;
    let failure = failures.iter().find(of_role);
    failure.unwrap_or_else(|| panic!("{name}: the {role} is not among {failures:?}")).what.clone()
}

fn without_a_fault_all_is_well() {
    let transfer = run("none").expect("an ordinary pipe");
    assert!(transfer.verified && transfer.bytes >= 1_000_000);
}

fn a_lost_message_is_found() {
    assert_eq!(failure("loses", "consumer"), "message 5 was lost");
}

fn a_repeated_message_is_found() {
    let said = "message 5 came again, where message 6 was to come";
    assert_eq!(failure("repeats", "consumer"), said);
}

fn a_reordered_message_is_found() {
    assert_eq!(failure("reorders", "consumer"), "message 5 came out of order, after message 6");
}

fn a_truncated_message_is_found() {
    let said = failure("truncates", "consumer");
    assert!(said.starts_with("message 5 was to come: its header says"), "{said}");
}

fn a_corrupted_message_is_found() {
    let said = failure("corrupts", "consumer");
    assert!(said.starts_with("message 5 was to come: corrupted"), "{said}");
}

fn an_error_of_a_worker_is_heard() {
    let said = failure("refuses", "producer");
    assert!(
        said.starts_with("sending message 5 of ") && said.ends_with(": out of paper"),
        "{said}"
    );
}

fn a_panic_of_a_worker_is_heard() {
    assert_eq!(failure("panics", "producer"), "panicked: cannot go on");
}

fn an_exit_of_a_worker_is_told_with_its_code() {
    assert_eq!(failure("exits", "producer"), "exited with code 7 and without a result");
}

fn a_killed_worker_is_told_with_the_signal() {
    assert_eq!(failure("dies", "producer"), "was killed by SIGKILL");
}

fn an_executable_without_the_contender_says_so() {
    let executable = env!("CARGO_BIN_EXE_shmring-bench").into();
    let options = Options { executable, ..Options::default() };
    let outcome = transfer(&FAULTY[0], &options, &mut |_| ControlFlow::Continue(()));
    let said = outcome.expect_err("no such contender").to_string();
    assert!(said.contains("this executable has no contender `none`"), "{said}");
}

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
    let faulty: Vec<Contestant> = FAULTY.into_iter().filter(|faulty| faulty.name == name).collect();
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

/// One scenario for each flow, and a batch.
fn flows() -> [Scenario; 4] {
    let deep = Room::Messages(64);
    let stream = || Scenario::throughput(64, deep).wait(Wait::Block);
    [
        stream(),
        stream().batch(16),
        stream().one_way(20_000),
        Scenario::ping_pong(64).wait(Wait::Block),
    ]
}

fn an_innocent_has_figures_in_every_flow() {
    for scenario in flows() {
        assert_eq!(session_of("none", &scenario), None, "{scenario}");
    }
}

fn every_fault_is_found_in_every_flow() {
    for scenario in flows() {
        for name in ["loses", "repeats", "reorders", "truncates", "corrupts", "invents"] {
            // A ping-pong that lost a message waits for it for ever, as it should.
            if scenario.flow == Flow::PingPong && ["loses", "reorders"].contains(&name) {
                continue;
            }
            let why = session_of(name, &scenario);
            let why = why.unwrap_or_else(|| panic!("{name} has figures in {scenario}"));
            assert!(
                why.contains("the consumer failed")
                    || why.contains("the ping failed")
                    || why.contains("the pong failed"),
                "{name} in {scenario}: {why}"
            );
        }
    }
}

fn a_loss_after_the_check_is_found_too() {
    let scenario = Scenario::throughput(64, Room::Messages(64)).wait(Wait::Block);
    let why = session_of("loses late", &scenario).expect("a failure");
    assert!(why.contains("message 20001 of producer 0 came too early"), "{why}");
}

fn main() -> ExitCode {
    intercept_with(&FAULTY);
    let tests: [(&str, fn()); 14] = [
        ("an_innocent_has_figures_in_every_flow", an_innocent_has_figures_in_every_flow),
        ("every_fault_is_found_in_every_flow", every_fault_is_found_in_every_flow),
        ("a_loss_after_the_check_is_found_too", a_loss_after_the_check_is_found_too),
        ("without_a_fault_all_is_well", without_a_fault_all_is_well),
        ("a_lost_message_is_found", a_lost_message_is_found),
        ("a_repeated_message_is_found", a_repeated_message_is_found),
        ("a_reordered_message_is_found", a_reordered_message_is_found),
        ("a_truncated_message_is_found", a_truncated_message_is_found),
        ("a_corrupted_message_is_found", a_corrupted_message_is_found),
        ("an_error_of_a_worker_is_heard", an_error_of_a_worker_is_heard),
        ("a_panic_of_a_worker_is_heard", a_panic_of_a_worker_is_heard),
        ("an_exit_of_a_worker_is_told_with_its_code", an_exit_of_a_worker_is_told_with_its_code),
        ("a_killed_worker_is_told_with_the_signal", a_killed_worker_is_told_with_the_signal),
        (
            "an_executable_without_the_contender_says_so",
            an_executable_without_the_contender_says_so,
        ),
    ];
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let chosen = tests.iter().filter(|(name, _)| name.contains(&filter));
    let [mut passed, mut failed] = [0, 0];
    for (name, test) in chosen {
        let outcome = panic::catch_unwind(test);
        *(if outcome.is_ok() { &mut passed } else { &mut failed }) += 1;
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let filtered = tests.len() - passed - failed;
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; \
         {filtered} filtered out\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
