//! What a worker can be asked to do: transfers, sessions and probes ask it,
//! [`crate::intercept()`] has it done.

use serde::{Deserialize, Serialize};

use crate::contender::Setting;
use crate::fanout;
use crate::measure::Order;
use crate::message::Plan;
use crate::queue;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    Produce { contender: String, address: String, setting: Setting, plan: Plan },
    Consume { contender: String, address: String, setting: Setting, plan: Plan },
    Measure { contender: String, order: Order, setting: Setting, addresses: Vec<String> },
    FanOut { contender: String, order: fanout::Order, setting: Setting, address: String },
    Queue { order: queue::Order, setting: Setting, address: String },
    Costs { names: Vec<String>, other: Option<usize> },
    ProbePing,
    ProbeEcho,
}
