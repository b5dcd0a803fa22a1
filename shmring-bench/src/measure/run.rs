//! The parent's side of a run.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::finding::{self, Finding, Outcome};
use super::{Order, Part};
use crate::contender::Prepared;
use crate::contestant::Contestant;
use crate::scenario::{Flow, Scenario};
use crate::task::Task;
use crate::worker::{Crew, Tick};
use crate::{Error, WorkerFailure};

/// Beyond the time that a run is to take: then it hangs.
const RUN_LIMIT: Duration = Duration::from_secs(30);

/// Where a run takes place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) executable: &'a std::path::Path,
    pub(crate) name_prefix: &'a str,
    /// The CPUs of the senders and of the receivers; none to let the kernel choose.
    pub(crate) cpus: Option<[usize; 2]>,
}

/// Runs a contender once. With `check`, every byte is checked and nothing is timed.
pub(crate) fn run(
    contender: &Contestant,
    scenario: &Scenario,
    check: bool,
    stage: Stage<'_>,
    tick: &mut Tick<'_>,
) -> Result<Outcome, Error> {
    let setting = scenario.setting(stage.name_prefix);
    let instances = if scenario.flow == Flow::PingPong { 2 } else { 1 };
    let mut prepared = Vec::new();
    for _ in 0..instances {
        let one = (contender.prepare)(&setting);
        prepared.push(one.map_err(|source| Error::Prepare { contender: contender.name, source })?);
    }
    let capacity_bytes = prepared.first().map_or(0, |one| one.capacity_bytes);
    let mut crew = Crew::new();
    for (role, cpu, part) in parts(contender, scenario) {
        let (places, fds, fd_counts) = ends(part, &prepared)?;
        let order = Order {
            scenario: scenario.clone(),
            part,
            check,
            cpus: stage.cpus.map_or(Vec::new(), Vec::from),
            fd_counts,
        };
        let task = Task::Measure {
            contender: contender.name.to_owned(),
            order,
            setting: setting.clone(),
            addresses: places,
        };
        let cpu = cpu.and_then(|end| stage.cpus.map(|cpus| cpus[end]));
        crew.start(role, stage.executable, cpu, &task, fds)?;
    }
    crew.wait_ready(tick)?;
    // Every end is open: neither names nor the parent's descriptors are needed any more.
    let _kept: Vec<_> = prepared.into_iter().map(|one| one.kept).collect();

    let mut findings = Vec::new();
    for (role, result) in crew.run(RUN_LIMIT + scenario.run_time(), tick)? {
        let found: Vec<Finding> =
            serde_json::from_value(result).map_err(|source| Error::Result { role, source })?;
        findings.extend(found);
    }
    finding::outcome(scenario, capacity_bytes, &findings)
        .map_err(|what| Error::Workers(vec![WorkerFailure { role: "consumer", what }]))
}

/// The workers of a run: what they are called, which CPU of the two they get, what they do.
fn parts(contender: &Contestant, scenario: &Scenario) -> Vec<(&'static str, Option<usize>, Part)> {
    if contender.threads {
        return vec![("threads", None, Part::All)];
    }
    if scenario.flow == Flow::PingPong {
        return vec![("pong", Some(1), Part::Pong), ("ping", Some(0), Part::Ping)];
    }
    let consumers = (0..scenario.consumers).map(|_| ("consumer", Some(1), Part::Consumer));
    let producers = (0..scenario.producers).map(|i| ("producer", Some(0), Part::Producer(i)));
    consumers.chain(producers).collect()
}

/// What a part is given: addresses, descriptors, and how many of these belong to each address.
#[expect(clippy::type_complexity, reason = "three lists that go to three places")]
fn ends(
    part: Part,
    prepared: &[Prepared],
) -> Result<(Vec<String>, Vec<OwnedFd>, Vec<usize>), Error> {
    let [first, others @ ..] = prepared else { return Ok(Default::default()) };
    let second = others.first();
    let given: Vec<(&Prepared, &[OwnedFd])> = match part {
        Part::Producer(_) => vec![(first, &first.sender_fds)],
        Part::Consumer => vec![(first, &first.receiver_fds)],
        Part::Ping => [Some((first, &first.sender_fds)), second.map(|s| (s, &s.receiver_fds))]
            .into_iter()
            .flatten()
            .map(|(prepared, fds)| (prepared, &fds[..]))
            .collect(),
        Part::Pong => [Some((first, &first.receiver_fds)), second.map(|s| (s, &s.sender_fds))]
            .into_iter()
            .flatten()
            .map(|(prepared, fds)| (prepared, &fds[..]))
            .collect(),
        Part::All => vec![(first, &[])],
    };
    let addresses = given.iter().map(|(prepared, _)| prepared.address.clone()).collect();
    let counts = given.iter().map(|(_, fds)| fds.len()).collect();
    let copies = given.iter().flat_map(|(_, fds)| fds.iter().map(OwnedFd::try_clone));
    let copies = copies.collect::<Result<Vec<_>, _>>();
    Ok((addresses, copies.map_err(Error::os("copying a descriptor for a worker"))?, counts))
}
