//! Feature `serde`: the data that observers, collectors and `info` return, as JSON.

#[path = "common/mod.rs"]
mod common;

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json, to_value};
use shmring::gc::{Collected, Fate};
use shmring::info::{Front, Holder, Process};
use shmring::observe::{PeekEnd, Peeked};
use shmring::sealed::Access;
use shmring::{
    Collector, Config, Corrupt, Deleted, Kind, NameState, Observer, PidNamespace, ProcessState,
    Role, Segment, Stall, Status, Unlinked, list_deleted,
};

use common::Name;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Catches a field of an info that is renamed, left out or of another form.
#[test]
fn infos_have_the_fields_of_the_types() {
    let name = Name::new();
    let config = Config::mpsc().slots(4).values::<u32>().metadata(b"q\xFF");
    let segment = name.create(&config);
    std::fs::set_permissions(name.path(), PermissionsExt::from_mode(0o600)).unwrap();
    drop(segment);
    let observer = Observer::open(&name).unwrap();
    let info = observer.info();
    let since_epoch = info.created.duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut value = to_value(info).unwrap();
    let type_id = <u32 as shmring::Element>::TYPE_ID;
    assert_eq!(
        value["rings"].take(),
        json!([{
            "kind": "mpsc", "capacity_bytes": 64, "slots": 4, "slot_bytes": 16,
            "payload_align_bytes": 8, "max_message_bytes": 8,
            "element": { "size_bytes": 4, "align_bytes": 4, "type_id": type_id, "name": "u32" },
        }])
    );
    assert_eq!(
        value,
        json!({
            "name": *name, "rings": null, "metadata": [113, 255],
            "total_bytes": info.total_bytes, "mode": 0o600, "owner_uid": info.owner_uid,
            "created": {
                "secs_since_epoch": since_epoch.as_secs(),
                "nanos_since_epoch": since_epoch.subsec_nanos(),
            },
            "creator_pid": std::process::id(),
        })
    );
}

/// Catches a field of a status that is renamed, left out or of another form, and private ones that
/// are shown.
#[test]
fn a_status_has_the_fields_of_the_types() {
    let name = Name::new();
    let segment = name.create(&Config::mpmc().slots(4));
    let mut producer = segment.producer().unwrap();
    producer.send(b"one").unwrap();
    let open = producer.try_reserve(1).unwrap();
    let status: Status = segment.status().unwrap();
    let mut value = to_value(&status).unwrap();
    let ring = value["rings"][0].take();
    let participant = value["attached"][0].take();
    assert_eq!(
        value,
        json!({ "attached": [null], "handles": 1, "repairs": 0, "rings": [null] }),
        "{status:?}"
    );
    let own = std::process::id();
    let uid = status.attached[0].uid;
    assert_eq!(
        participant,
        json!({ "pid": own, "pid_namespace": "ours", "uid": uid, "alive": true })
    );
    assert_eq!(
        ring,
        json!({
            "head": 0, "tail": 2, "front": "message", "full": false,
            "used_bytes": status.ring().used_bytes, "used_slots": 2, "messages_received": 0,
            "full_for": null, "evictions": 0, "tombstones": 0, "resolved": 0, "closed": false,
            "producers": [participant], "consumers": [],
            "holders": [{
                "handle": 0, "role": "producer", "participant": participant, "sleeps_until": null,
                "announced": { "start": 1, "end": 2 }, "subscription": null,
                "in_hand": [], "in_hand_for": null,
            }],
            "producers_so_far": 1, "consumers_so_far": 0, "sleepers": 0, "jobs": null,
        })
    );
    drop(open);
    let process: Process = status.attached[0].process().unwrap();
    assert_eq!(keys(&to_value(&process).unwrap()), ["command", "frozen_by", "pid", "state"]);
    assert_eq!(keys(&to_value(segment.obtained()).unwrap()), ["huge_pages", "lock", "prefault"]);
}

/// Catches what verbs of observers, collectors and removals return in another form.
#[test]
fn results_have_the_fields_of_the_types() {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    segment.producer().unwrap().send(b"one").unwrap();
    let peeked: Peeked = Observer::open(&name).unwrap().peek(2, 2).unwrap();
    assert_eq!(
        to_value(&peeked).unwrap(),
        json!({
            "messages": [{ "start": 0, "end": 16, "len": 3, "bytes": [111, 110] }],
            "missed": 0, "end": "empty",
        })
    );
    let collected: Collected = Collector::new().collect(&name).unwrap();
    assert_eq!(keys(&to_value(&collected).unwrap()), ["fate", "info", "status"]);
    let unlinked = to_value(Segment::unlink_stale(&name).unwrap()).unwrap();
    assert_eq!(unlinked["in_use"]["by"][0]["pid"], std::process::id());
    // The file that the creator opened had no name yet.
    let attached = Segment::attach(&name).unwrap();
    Segment::unlink(&name).unwrap();
    let mut deleted = list_deleted().unwrap().into_iter();
    let deleted: Deleted = deleted.find(|deleted| deleted.name == *name).unwrap();
    let fields = ["allocated_bytes", "inode", "name", "pids"];
    assert_eq!(keys(&to_value(&deleted).unwrap()), fields);
    drop(attached);
}

/// Catches a variant under another name than its own in `snake_case`.
#[test]
fn variants_are_in_snake_case() {
    let corrupt = Corrupt { what: "tail", position: 8, found: u64::MAX };
    let corrupt_fields = json!({ "what": "tail", "position": 8, "found": u64::MAX });
    let stall = Stall::InFlight { position: 7, tickets: Vec::<Holder>::new() };
    for (value, expected) in [
        (
            to_value(Kind::ALL),
            json!(["spsc", "mpmc", "mpsc", "spmc", "packed", "broadcast", "jobs"]),
        ),
        (to_value([Role::Producer, Role::Consumer]), json!(["producer", "consumer"])),
        (to_value(PidNamespace::Unknown), json!("unknown")),
        (to_value(ProcessState::DumpingCore), json!("dumping_core")),
        (to_value(ProcessState::Other('P')), json!({ "other": "P" })),
        (to_value(Front::InFlight { position: 7 }), json!({ "in_flight": { "position": 7 } })),
        (to_value(Front::Corrupt(corrupt)), json!({ "corrupt": corrupt_fields })),
        (to_value(stall), json!({ "in_flight": { "position": 7, "tickets": [] } })),
        (to_value(Stall::NotTaken), json!("not_taken")),
        (to_value(PeekEnd::Outrun), json!("outrun")),
        (to_value(Fate::RemovedUnattached), json!("removed_unattached")),
        (to_value(Access::ReadOnly), json!("read_only")),
        (to_value(NameState::Replaced), json!("replaced")),
        (to_value(Unlinked::Removed), json!("removed")),
    ] {
        assert_eq!(value.unwrap(), expected);
    }
}
