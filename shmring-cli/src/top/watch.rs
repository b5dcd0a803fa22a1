//! Samples all segments repeatedly, as an observer. Each sample opens and closes a segment, so
//! that a segment whose users leave is freed.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use shmring::{AttachError, Observer, SegmentInfo};

use crate::facts::{Entry, Look, Past, Sample, Subject, open_deleted};
use crate::report;
use crate::transfer::attaching::looking;

/// The earlier samples of each segment.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: BTreeMap<String, Seen>,
    deleted: Deleted,
}

/// The segments that lost their names, from the last search.
#[derive(Debug, Default)]
struct Deleted {
    entries: Vec<Entry<Sample>>,
    /// When the next search may begin: each reads /proc of all processes.
    not_before: Option<Instant>,
}

/// The pause after a search, in multiples of the time of the search.
const PAUSE_PER_SEARCH: u32 = 20;

#[derive(Debug)]
struct Seen {
    identity: Identity,
    last: Look,
    /// The earliest sample since which the ring stalls.
    still: Look,
}

/// Identifies a segment: another one may have its name later.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    created: SystemTime,
    creator_pid: u32,
    total_bytes: u64,
}

impl Identity {
    fn of(description: &SegmentInfo) -> Self {
        let SegmentInfo { created, creator_pid, total_bytes, .. } = *description;
        Self { created, creator_pid, total_bytes }
    }
}

impl Watch {
    /// Returns all segments, sorted by name, each with its changes since the last sample.
    ///
    /// # Errors
    /// If shared memory cannot be listed.
    pub(crate) fn look(&mut self) -> Result<Vec<Entry<Sample>>, String> {
        let names = shmring::list().map_err(|error| error.to_string())?;
        let mut before = std::mem::take(&mut self.seen);
        let began = Instant::now();
        let is_due = self.deleted.not_before.is_none_or(|then| began >= then);
        let deleted = if is_due { open_deleted(&names) } else { Vec::new() };
        let cost = began.elapsed();
        let mut entries: Vec<_> =
            names.into_iter().filter_map(|name| self.sample(&name, before.remove(&name))).collect();
        if is_due {
            let sample = |(label, observer): (String, Result<Observer, _>)| {
                sample_deleted(label, &observer.ok()?)
            };
            let deleted = deleted.into_iter().filter_map(sample).collect();
            let not_before = Instant::now().checked_add(cost.saturating_mul(PAUSE_PER_SEARCH));
            self.deleted = Deleted { entries: deleted, not_before };
        }
        entries.extend(self.deleted.entries.iter().cloned());
        Ok(entries)
    }

    /// Returns the facts about a segment; `None` if it vanished meanwhile.
    fn sample(&mut self, name: &str, before: Option<Seen>) -> Option<Entry<Sample>> {
        let observer = match looking().observe(name) {
            Ok(observer) => observer,
            Err(AttachError::NotFound { .. }) => return None,
            Err(error) => return Some(Entry::broken(name, error)),
        };
        let now = match Look::at(&observer) {
            Ok(now) => now,
            Err(fault) => return Some(Entry::broken(name, fault)),
        };
        let description = observer.info();
        let identity = Identity::of(description);
        let before = before.filter(|seen| seen.identity == identity);
        let still = before.as_ref().and_then(|seen| seen.still_at(&now)).cloned();
        let past = before.as_ref().map(|Seen { last, .. }| {
            let still = still.as_ref().unwrap_or(last);
            Past { last, still }
        });
        let subject = Subject { target: &report::quoted(name), is_named: true };
        let sample = Sample::of(description, subject, &now, past);
        let still = still.unwrap_or_else(|| now.clone());
        self.seen.insert(name.to_owned(), Seen { identity, last: now, still });
        Some(Entry::Sound(Box::new(sample)))
    }
}

/// Returns the facts about a segment that lost its name, without a stall: no process can join
/// it.
fn sample_deleted(label: String, observer: &Observer) -> Option<Entry<Sample>> {
    let now = Look::at(observer).ok()?;
    let subject = Subject { target: &label, is_named: false };
    let mut sample = Sample::of(observer.info(), subject, &now, None);
    sample.facts = sample.facts.deleted(label.clone());
    Some(Entry::Sound(Box::new(sample)))
}

impl Seen {
    /// Returns the earliest sample since which the ring stalls; `None` if it does not.
    fn still_at(&self, now: &Look) -> Option<&Look> {
        let stands = |since: &&Look| now.status.ring().stall_since(since.status.ring()).is_some();
        [&self.still, &self.last].into_iter().find(stands)
    }
}

#[cfg(test)]
mod tests {
    use shmring::{Config, Segment};

    use super::*;

    /// A segment that no other test has, removed at the end of its test.
    struct Name(String);

    impl Name {
        fn new(what: &str) -> Self {
            Self(format!("shmring-top-test-{}-{what}", std::process::id()))
        }

        fn create(&self) -> Segment {
            Segment::create(&self.0, &Config::mpmc().slots(8).slot_bytes(64)).expect("a segment")
        }
    }

    impl Drop for Name {
        fn drop(&mut self) {
            let _ = Segment::unlink(&self.0);
        }
    }

    fn look(watch: &mut Watch, name: &Name) -> Option<Entry<Sample>> {
        let entries = watch.look().expect("a list");
        let is_it = |entry: &Entry<Sample>| entry.name() == name.0;
        entries.into_iter().find(is_it)
    }

    fn sound(entry: Option<Entry<Sample>>) -> Sample {
        match entry {
            Some(Entry::Sound(sample)) => *sample,
            other => panic!("no sound segment: {other:?}"),
        }
    }

    // Catches rates of a segment that was sampled once, or over another time than that between
    // two samples, and a stall whose time restarts at each sample.
    #[test]
    fn rates_and_stalls_are_between_looks() {
        let name = Name::new("rates");
        let segment = name.create();
        let mut watch = Watch::default();
        let first = sound(look(&mut watch, &name));
        assert!(first.rates.is_none() && first.stall.is_none());
        segment.producer().expect("a producer").send(b"message").expect("send");
        let second = sound(look(&mut watch, &name));
        assert!(second.rates.expect("rates").sent_per_s > 0);
        assert!(second.stall.is_none(), "it was not empty before");
        let still = |watch: &mut Watch| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            let sample = sound(look(watch, &name));
            assert_eq!(sample.rates.expect("rates").sent_per_s, 0);
            let stall = sample.stall.expect("a stall");
            assert_eq!(stall.kind, "not_taken");
            (stall.at_least_ms, sample.sample_ms)
        };
        let (one, _) = still(&mut watch);
        let (two, sample) = still(&mut watch);
        assert!(two >= one + 2 && two >= sample + 2, "{one} {two} {sample}");
    }

    // Catches rates between a segment and its successor.
    #[test]
    fn a_successor_of_the_same_name_is_another_segment() {
        let name = Name::new("successor");
        name.create().producer().expect("a producer").send(b"message").expect("send");
        let mut watch = Watch::default();
        sound(look(&mut watch, &name));
        Segment::unlink(&name.0).expect("unlink");
        assert!(look(&mut watch, &name).is_none());
        name.create();
        assert!(sound(look(&mut watch, &name)).rates.is_none());
        Segment::unlink(&name.0).expect("unlink");
        name.create();
        assert!(sound(look(&mut watch, &name)).rates.is_none());
    }

    // Catches a damaged segment that ends the sample, or is skipped.
    #[test]
    fn a_damaged_segment_is_told() {
        let name = Name::new("damaged");
        drop(name.create());
        let path = format!("/dev/shm/{}", name.0);
        std::fs::File::options().write(true).open(path).and_then(|f| f.set_len(8192)).expect("cut");
        match look(&mut Watch::default(), &name) {
            Some(Entry::Broken { error, state: "broken", .. }) => {
                assert!(error.contains("file length"), "{error}");
            }
            other => panic!("not broken: {other:?}"),
        }
    }
}
