//! What a machine refuses: here its limits are zero, for this process and all that it starts.
//! They stay so, which is why nothing else is tested here.

use std::ops::ControlFlow;

use nix::sys::resource::{Resource, setrlimit};
use shmring_bench::contender::{Room, Wait};
use shmring_bench::contenders;
use shmring_bench::presets::{Planned, Preset, Who};
use shmring_bench::scenario::Scenario;
use shmring_bench::session::{Choice, Session};

// Catches a limit that is held against a contender, that hangs it, or of which nobody learns how to
// raise it; and one that takes the others along.
#[test]
fn what_the_machine_refuses_is_skipped_with_the_reason() {
    for resource in [Resource::RLIMIT_MSGQUEUE, Resource::RLIMIT_SIGPENDING] {
        setrlimit(resource, 0, 0).expect("a limit can be lowered");
    }
    let scenario = Scenario::throughput(8, Room::Messages(64)).wait(Wait::Block);
    let scenario = Scenario { run_ms: 5, ..scenario };
    let who = Who::Named(&["pipe", "posix mq", "signals"]);
    let tables = vec![Planned { scenario, who }];
    let preset = Preset { name: "test", rounds: 1, costs: false, tables };
    let choice = Choice {
        rounds: 1,
        only: String::new(),
        executable: env!("CARGO_BIN_EXE_shmring-bench").into(),
        name_prefix: "bench-test-refused".to_owned(),
    };
    let session = Session::new(&preset, contenders::ALL, &choice).expect("a session");
    let report = session.run(&mut |_| ControlFlow::Continue(())).expect("a report");
    let [table] = &report.tables[..] else { panic!("one table") };
    let rows: Vec<&str> = table.rows.iter().map(|row| &*row.contender).collect();
    assert_eq!(rows, ["pipe"]);
    let absent: Vec<_> = table.absent.iter().map(|it| (&*it.name, it.failed, &*it.why)).collect();
    assert_eq!(
        absent,
        [
            ("posix mq", false, "the user's queues may have no more bytes; raise `ulimit -q`"),
            ("signals", false, "no signal may be pending; raise `ulimit -i`"),
        ]
    );
}
