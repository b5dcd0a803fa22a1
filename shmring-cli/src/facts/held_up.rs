//! Who holds the producers of a broadcast or a job ring up, and how to end that.

use serde::Serialize;
use shmring::info::{Delay, HeldUp};

use super::sample::millis;
use super::stall::Hindrance;
use super::{HolderFacts, JobFacts, StallFacts, Subject, SubscriptionFacts};
use crate::report;

/// The subscriber for which the producer of a broadcast ring waits, or the worker that has the first
/// job of a job ring.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HeldUpFacts {
    pub(crate) holder: HolderFacts,
    /// How long the producer has found no room, or the worker has had jobs.
    pub(crate) since_ms: u64,
    /// `slow`, `stopped` or `dead`.
    pub(crate) why: String,
    /// How to end it, in sentences.
    pub(crate) remedy: Vec<String>,
    /// Why, as the end of a sentence.
    #[serde(skip)]
    pub(crate) is: &'static str,
    /// `true` if the subscriber does not run.
    #[serde(skip)]
    pub(crate) is_hindered: bool,
}

impl HeldUpFacts {
    pub(crate) fn of(held_up: &HeldUp, subject: Subject<'_>) -> Self {
        let HeldUp { holder, since, why, .. } = held_up;
        let has_jobs = !holder.in_hand.is_empty();
        let holder = HolderFacts::of(holder);
        let evict = format!("`shmring evict {} {}`", subject.target, holder.handle);
        let lets_go = format!("{evict} lets the sender go on, and the receiver miss messages");
        let pid = holder.participant.number();
        let killed = format!("`kill -KILL {pid}` gives its jobs to other workers");
        let hindrance = Hindrance::of(&holder.participant);
        let is_hindered = hindrance.is_some();
        let (is, remedy) = match (why, hindrance) {
            (Delay::Dead, _) if has_jobs => {
                let back = "the next process that waits reaps it, and its jobs come back";
                (" and is dead", vec![back.to_owned()])
            }
            (Delay::Dead, _) => {
                (" and is dead", vec!["the sender reaps it and goes on".to_owned()])
            }
            (_, Some(Hindrance { is, remedy })) if has_jobs => (is, vec![remedy, killed]),
            (_, None) if has_jobs => (" and has not acknowledged it", vec![killed]),
            (_, Some(Hindrance { is, remedy })) => (is, vec![remedy, lets_go]),
            _ => (" and receives more slowly than the sender sends", vec![lets_go]),
        };
        let (since_ms, why) = (millis(*since), why.to_string());
        Self { holder, since_ms, why, remedy, is, is_hindered }
    }

    /// Returns who holds the producer up, for how long and why.
    pub(crate) fn sentence(&self) -> String {
        let Self { holder: HolderFacts { handle, participant, .. }, since_ms, is, .. } = self;
        let lag = self.holder.subscription.as_ref().map(SubscriptionFacts::lag);
        let lag = lag.map_or_else(String::new, |lag| format!(", is {lag} behind"));
        let since = report::span(*since_ms);
        let who = participant.named();
        if let Some(JobFacts { position, attempts }) = self.holder.in_hand.first() {
            return format!(
                "{who}, handle {handle}, has the first job (position {position}, attempt \
                 {attempts}), has had jobs for {since}{is}"
            );
        }
        format!("{who}, handle {handle}, has held the sender up for {since}{lag}{is}")
    }

    /// Adds the explanation to that of a stall.
    pub(super) fn explain(&self, facts: &mut StallFacts) {
        facts.say(self.sentence());
        self.remedy.iter().for_each(|sentence| facts.do_this(sentence));
        facts.is_hindered |= self.is_hindered;
    }
}
