//! What a worker can be asked to do: transfers, probes, deaths and torture ask it, [`crate::intercept()`] has it done.

use serde::{Deserialize, Serialize};

use crate::deaths::Part;
use crate::message::Plan;
use crate::torture;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    Produce { contender: String, address: String, plan: Plan },
    Consume { contender: String, address: String, plan: Plan },
    ProbePing,
    ProbeEcho,
    Party(Part),
    Torture(torture::Part),
}
