//! Which code does which of a worker's tasks.

use std::os::fd::OwnedFd;

use serde_json::Value;

use crate::contender::{BoxError, Place, Setting};
use crate::contenders;
use crate::contestant::Contestant;
use crate::costs;
use crate::fanout;
use crate::probe::bounce;
use crate::queue;
use crate::task::Task;
use crate::worker::{self, Control};

/// Runs a worker and exits, if this process was started as one; returns at once if not. To be
/// called first in the `main` of every binary that measures.
pub fn intercept() {
    intercept_with(contenders::ALL);
}

/// [`intercept()`] for a host with contenders of its own.
pub fn intercept_with(known: &[Contestant]) {
    worker::serve(|task, fds, control| work(task, fds, known, control));
}

fn work(
    task: Task,
    fds: Vec<OwnedFd>,
    known: &[Contestant],
    control: &mut Control,
) -> Result<Value, BoxError> {
    let find = |name: &str, setting: &Setting| {
        let named = |contestant: &&Contestant| contestant.name == name;
        // Several have one name if it is compiled for lengths of messages.
        let takes =
            |contestant: &&Contestant| contestant.nature.sizes.contain(setting.message_bytes);
        let contestant = known.iter().filter(named).find(takes);
        contestant.ok_or_else(|| {
            let len = setting.message_bytes;
            format!("this executable has no contender `{name}` for messages of {len} bytes")
        })
    };
    match task {
        Task::Produce { contender, address, setting, plan } => {
            (find(&contender, &setting)?.produce)(Place { address, fds, setting }, &plan, control)
        }
        Task::Consume { contender, address, setting, plan } => {
            (find(&contender, &setting)?.consume)(Place { address, fds, setting }, &plan, control)
        }
        Task::Measure { contender, order, setting, addresses } => {
            let contender = find(&contender, &setting)?;
            let mut fds = fds.into_iter();
            let places = addresses.into_iter().zip(&order.fd_counts);
            let places = places.map(|(address, count)| Place {
                address,
                fds: fds.by_ref().take(*count).collect(),
                setting: setting.clone(),
            });
            (contender.part)(&order, places.collect(), control)
        }
        Task::FanOut { contender, order, setting, address } => {
            fanout::work(&contender, &order, Place { address, fds, setting }, control)
        }
        Task::Queue { order, setting, address } => {
            queue::work(&order, Place { address, fds, setting }, control)
        }
        Task::Costs { names, other } => costs::measure(&names, other, control),
        Task::ProbePing => bounce::ping(fds, control),
        Task::ProbeEcho => bounce::echo(fds, control),
    }
}
