//! A contender as a value: its compiled functions behind pointers.

use super::flow;
use crate::contender::{BoxError, Contender, Prepared, Setting};

/// A [`Contender`] as an entry of a list, with its compiled loops.
#[derive(Clone, Copy, Debug)]
pub struct Contestant {
    /// [`Contender::NAME`].
    pub name: &'static str,
    /// [`Contender::ABOUT`].
    pub about: &'static str,
    pub(super) prepare: fn(&Setting<'_>) -> Result<Prepared, BoxError>,
    pub(crate) produce: flow::Run,
    pub(crate) consume: flow::Run,
}

impl Contestant {
    /// The entry for a contender.
    pub const fn of<C: Contender>() -> Contestant {
        Contestant {
            name: C::NAME,
            about: C::ABOUT,
            prepare: C::prepare,
            produce: flow::produce::<C>,
            consume: flow::consume::<C>,
        }
    }
}
