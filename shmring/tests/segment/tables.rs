//! Attachments and handles: their number, and the holders of roles.

use shmring::{AttachError, Config, JoinError, RecvError, Role, Segment};

use crate::common::{Name, eventually};

fn me() -> u32 {
    std::process::id()
}

/// Catches an attach beyond the table, and an entry that is lost when its attach goes.
#[test]
fn as_many_attach_as_the_table_has_room_for() {
    let name = Name::new();
    let first = name.create(&Config::spsc().capacity_bytes(4096).max_attachments(2));
    for _ in 0..5 {
        let second = eventually("the place of the last one", || Segment::attach(&name).ok());
        let full = Segment::attach(&name).unwrap_err();
        assert!(matches!(full, AttachError::TableFull { attachments: 2, .. }), "{full:?}");
        let attached = first.status().unwrap().attached;
        assert_eq!(attached.len(), 2);
        assert!(attached.iter().all(|participant| participant.alive && participant.pid == me()));
        drop(second);
        assert_eq!(first.status().unwrap().attached.len(), 1);
    }
}

/// Catches a handle that keeps its attach from ending, or ends it too soon.
#[test]
fn handles_outlive_their_segment_and_keep_the_attach() {
    let name = Name::new();
    let watch = name.create(&Config::spsc().capacity_bytes(4096));
    let other = Segment::attach(&name).unwrap();
    let (mut producer, mut consumer) = (other.producer().unwrap(), other.consumer().unwrap());
    drop(other);
    assert_eq!(watch.status().unwrap().attached.len(), 2);
    producer.send(b"x").unwrap();
    assert_eq!(consumer.recv().unwrap(), b"x");
    drop(producer);
    assert_eq!(watch.status().unwrap().attached.len(), 2);
    drop(consumer);
    assert_eq!(watch.status().unwrap().attached.len(), 1);
}

/// Catches a handle beyond the table, and one that is lost when it goes.
#[test]
fn there_are_as_many_handles_as_the_table_has_room_for() {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096).max_handles(1));
    for _ in 0..5 {
        let producer = segment.producer().unwrap();
        let full = segment.consumer().unwrap_err();
        assert!(matches!(full, JoinError::TableFull { handles: 1 }), "{full:?}");
        drop(producer);
        let consumer = segment.consumer().unwrap();
        let full = segment.producer().unwrap_err();
        assert!(matches!(full, JoinError::TableFull { handles: 1 }), "{full:?}");
        drop(consumer);
    }
}

/// Catches a second owner of a role, from the same attach or another, a refusal that
/// does not name the first, and a role that stays taken.
#[test]
fn each_role_has_one_owner_which_the_error_names() {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    let other = Segment::attach(&name).unwrap();
    for _ in 0..3 {
        let (producer, consumer) = (segment.producer().unwrap(), segment.consumer().unwrap());
        for attach in [&segment, &other] {
            let taken = [attach.producer().err(), attach.consumer().err()];
            for (error, expected) in taken.into_iter().zip([Role::Producer, Role::Consumer]) {
                let Some(JoinError::RoleTaken { role, holder: Some(holder) }) = error else {
                    panic!("{expected}: {error:?}");
                };
                assert_eq!((role, holder.pid, holder.alive), (expected, me(), true));
            }
        }
        let status = other.status().unwrap();
        assert_eq!(status.ring().producers[0].pid, me());
        assert_eq!(status.ring().consumers[0].pid, me());
        drop((producer, consumer));
        let status = other.status().unwrap();
        assert!(status.ring().producers.is_empty() && status.ring().consumers.is_empty());
    }
}

/// Catches a closed ring that takes a new producer, or keeps what was sent before from
/// a consumer that comes late.
#[test]
fn a_closed_ring_is_drained_but_not_filled() {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    segment.producer().unwrap().send(b"last").unwrap();
    assert!(!segment.status().unwrap().ring().closed);
    segment.close();
    assert!(segment.status().unwrap().ring().closed);
    assert!(matches!(segment.producer().unwrap_err(), JoinError::Closed));
    let mut consumer = Segment::attach(&name).unwrap().consumer().unwrap();
    assert_eq!(consumer.recv().unwrap(), b"last");
    assert_eq!(consumer.recv(), Err(RecvError::Eof));
}
