//! Segments for tests.

use crate::facts::{
    Entry, Facts, HeldUpFacts, HolderFacts, ParticipantFacts, Rates, Sample, SegmentFacts,
    StallFacts, State, StatusFacts, Unit,
};

pub(crate) const SLOTS: u64 = 16;
pub(crate) const SLOT_BYTES: u64 = 64;

/// A process.
pub(crate) fn participant(pid: u32, alive: bool) -> ParticipantFacts {
    ParticipantFacts {
        pid,
        uid: 1000,
        alive,
        pid_namespace: "ours",
        local_pid: alive.then_some(pid),
        command: alive.then(|| "feed".to_owned()),
        process_state: alive.then(|| "sleeping".to_owned()),
        frozen_by: None,
    }
}

fn sample_of(name: &str) -> Sample {
    let attached = vec![participant(11, true), participant(12, true), participant(13, false)];
    Sample {
        facts: Facts {
            segment: SegmentFacts {
                name: name.to_owned(),
                kind: "mpmc".to_owned(),
                capacity_bytes: SLOTS * SLOT_BYTES,
                slots: Some(SLOTS),
                slot_bytes: Some(SLOT_BYTES),
                element: None,
                max_message_bytes: SLOT_BYTES - 8,
                total_bytes: 32768,
                metadata: None,
                metadata_hex: None,
                mode: "0600".to_owned(),
                owner_uid: 1000,
                created_at: "2026-11-28T04:07:22.998Z".to_owned(),
                creator_pid: 10,
            },
            status: StatusFacts {
                state: State::Open,
                head: 100,
                tail: 104,
                used_bytes: 4 * SLOT_BYTES,
                used_slots: Some(4),
                fill_percent: 25,
                full: false,
                messages_received: 100,
                messages_sent: None,
                full_for_ms: None,
                jobs: None,
                evictions: 0,
                tombstones: 0,
                resolved: 0,
                repairs: 0,
                producers_so_far: 1,
                consumers_so_far: 1,
                sleepers: 0,
                producers: vec![attached[0].clone()],
                consumers: vec![attached[1].clone()],
                attached_alive: 2,
                attached,
            },
        },
        holders: [("producer", 11), ("consumer", 12)]
            .into_iter()
            .enumerate()
            .map(|(handle, (role, pid))| HolderFacts {
                handle,
                role: role.to_owned(),
                participant: participant(pid, true),
                sleeps_until: None,
                announced: None,
                subscription: None,
                in_hand: Vec::new(),
                in_hand_for_ms: None,
            })
            .collect(),
        sample_ms: 0,
        rates: None,
        stall: None,
        held_up_by: None,
        unit: Unit::Slots,
    }
}

/// A segment that was sampled once.
pub(crate) fn sample(name: &str) -> Entry<Sample> {
    Entry::Sound(Box::new(sample_of(name)))
}

/// A segment that moves.
pub(crate) fn moving(name: &str, messages_per_s: u64) -> Entry<Sample> {
    let rates = Rates {
        sent_per_s: messages_per_s,
        received_per_s: messages_per_s,
        messages_received_per_s: messages_per_s,
    };
    Entry::Sound(Box::new(Sample { sample_ms: 1000, rates: Some(rates), ..sample_of(name) }))
}

/// A segment that stalls.
pub(crate) fn still(name: &str, kind: &'static str, state: State) -> Entry<Sample> {
    let stall = StallFacts {
        kind,
        position: 100,
        at_least_ms: 12_000,
        tickets: None,
        why: vec!["position 100 is claimed and not published, and 3 slots behind it wait".into()],
        remedy: vec!["`kill -CONT 11` resumes it".into()],
        is_hindered: false,
    };
    let rates = Some(Rates { sent_per_s: 0, received_per_s: 0, messages_received_per_s: 0 });
    let mut sample = Sample { rates, stall: Some(stall), ..sample_of(name) };
    sample.facts.status.state = state;
    Entry::Sound(Box::new(sample))
}

/// A segment whose sender waits for a subscriber.
pub(crate) fn held_up(name: &str, since_ms: u64, is_hindered: bool) -> Entry<Sample> {
    let mut sample = sample_of(name);
    let holder = sample.holders[1].clone();
    sample.rates = Some(Rates { sent_per_s: 1, received_per_s: 1, messages_received_per_s: 1 });
    sample.held_up_by = Some(HeldUpFacts {
        holder,
        since_ms,
        why: "slow".to_owned(),
        remedy: vec!["`shmring evict ticks 1` lets the sender go on".into()],
        is: " and is stopped",
        is_hindered,
    });
    Entry::Sound(Box::new(sample))
}

/// A segment that is damaged.
pub(crate) fn broken(name: &str, error: &str) -> Entry<Sample> {
    Entry::broken(name, error)
}
