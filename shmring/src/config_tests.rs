//! What configurations come to: rounding, defaults, and each way in which one is wrong.

use super::*;
use crate::ring::slot;

type Made = Result<Option<(u64, u64)>, ConfigError>;

fn slot_rings() -> [Config; 3] {
    [Config::mpmc(), Config::mpsc(), Config::spmc()]
}

/// Catches a default that moved.
#[test]
fn a_configuration_has_its_defaults() {
    assert_eq!(Config::spsc().rounded_capacity_bytes(), Ok(1 << 20));
    assert_eq!(Config::spsc().rounded_slots(), Ok(None));
    for config in slot_rings() {
        assert_eq!(config.rounded_slots(), Ok(Some((1024, 256))));
        assert_eq!(config.rounded_capacity_bytes(), Ok(1 << 18));
        let shape = config.geometry().unwrap().rings[0];
        assert_eq!((shape.kind(), shape.element()), (config.kind, None));
    }
    assert_eq!(Config::packed::<u32>().rounded_slots(), Ok(Some((1024, 4))));
    let element = Config::packed::<u32>().geometry().unwrap().rings[0].element();
    assert_eq!(element, Some(<u32 as Element>::TYPE));
    for kind in Kind::ALL {
        let config = Config::new(kind);
        assert_eq!((config.mode_bits(), config.memory), (0o600, 0));
        let tables =
            config.geometry().ok().map(|geometry| (geometry.attachments, geometry.handles));
        assert_eq!(tables, (kind != Kind::Packed).then_some((64, 63)));
    }
}

/// Catches a size that is rounded down, or beyond its bound, or that is 0 and gets a size
/// nobody asked for.
#[test]
fn sizes_are_rounded_up_as_far_as_they_may() {
    let wrong = |slots| Err(ConfigError::Slots { slots, max: 1 << 24 });
    for (asked, expected) in [
        (0, wrong(0)),
        (1, Ok(1)),
        (2, Ok(2)),
        (3, Ok(4)),
        (1000, Ok(1024)),
        (1025, Ok(2048)),
        ((1 << 23) + 1, Ok(1 << 24)),
        (1 << 24, Ok(1 << 24)),
        ((1 << 24) + 1, wrong((1 << 24) + 1)),
        (u64::MAX, wrong(u64::MAX)),
    ] {
        let count = |config: Config| -> Result<u64, ConfigError> {
            let made: Made = config.slots(asked).rounded_slots();
            made.map(|made| made.unwrap().0)
        };
        for config in slot_rings() {
            assert_eq!(count(config.slot_bytes(16)), expected, "{asked}");
        }
        assert_eq!(count(Config::packed::<u8>()), expected, "{asked}");
    }
    let wrong = |slot_bytes| Err(ConfigError::SlotBytes { slot_bytes, min: 16, max: 1 << 20 });
    for (asked, expected) in [
        (0, wrong(0)),
        (1, wrong(1)),
        (8, wrong(8)),
        (9, Ok(16)),
        (15, Ok(16)),
        (16, Ok(16)),
        (17, Ok(24)),
        (255, Ok(256)),
        ((1 << 20) - 7, Ok(1 << 20)),
        (1 << 20, Ok(1 << 20)),
        ((1 << 20) + 1, wrong((1 << 20) + 1)),
    ] {
        for config in slot_rings() {
            let made = config.slots(2).slot_bytes(asked).rounded_slots();
            assert_eq!(made.map(|made| made.unwrap().1), expected, "{asked}");
        }
    }
    let wrong = |capacity_bytes| Err(ConfigError::Capacity { capacity_bytes, max_bytes: 1 << 33 });
    for (asked, expected) in [
        (0, wrong(0)),
        (1, Ok(4096)),
        (4096, Ok(4096)),
        (4097, Ok(8192)),
        ((1 << 32) + 1, Ok(1 << 33)),
        (1 << 33, Ok(1 << 33)),
        ((1 << 33) + 1, wrong((1 << 33) + 1)),
        (u64::MAX, wrong(u64::MAX)),
    ] {
        assert_eq!(Config::spsc().capacity_bytes(asked).rounded_capacity_bytes(), expected);
    }
}

/// Catches a ring of sizes that are possible each, and too large together.
#[test]
fn a_ring_has_a_largest_size() {
    for config in slot_rings() {
        let large = config.clone().slots(1 << 13).slot_bytes(1 << 20);
        assert_eq!(large.rounded_capacity_bytes(), Ok(1 << 33));
        let larger = config.slots((1 << 13) + 1).slot_bytes(1 << 20);
        let expected = ConfigError::Capacity { capacity_bytes: 1 << 34, max_bytes: 1 << 33 };
        assert_eq!(larger.rounded_capacity_bytes(), Err(expected));
    }
    let large = Config::packed::<[u64; 64]>().slots(1 << 24);
    assert_eq!(large.rounded_capacity_bytes(), Ok(1 << 33));
    assert!(Config::packed::<[u64; 65]>().slots(1 << 24).rounded_capacity_bytes().is_err());
}

/// Catches slots that do not fit their element, and a size that was asked for and is not
/// kept.
#[test]
fn slots_are_as_large_as_their_element_takes() {
    fn slot_bytes(config: Config) -> Result<u64, ConfigError> {
        let made: Made = config.rounded_slots();
        made.map(|made| made.unwrap().1)
    }
    for config in slot_rings() {
        assert_eq!(slot_bytes(config.clone().values::<u8>()), Ok(16));
        assert_eq!(slot_bytes(config.clone().values::<[u8; 8]>()), Ok(16));
        assert_eq!(slot_bytes(config.clone().values::<[u8; 9]>()), Ok(24));
        assert_eq!(slot_bytes(config.clone().values::<u128>()), Ok(32), "aligned");
        assert_eq!(slot_bytes(config.clone().values::<[u64; 16]>()), Ok(136));
        assert_eq!(slot_bytes(config.clone().values::<u64>().slot_bytes(128)), Ok(128));
        assert_eq!(slot_bytes(config.clone().slot_bytes(20).values::<[u8; 16]>()), Ok(24));
        let small = config.clone().slot_bytes(16).values::<[u8; 9]>();
        assert_eq!(slot_bytes(small), Err(ConfigError::Element { size_bytes: 9, max_bytes: 8 }));
        // A slot without room is refused as such, and a type without bytes whatever the slot.
        let no_slot = config.clone().slot_bytes(8).values::<u8>();
        assert!(matches!(slot_bytes(no_slot), Err(ConfigError::SlotBytes { slot_bytes: 8, .. })));
        let max_bytes = (1 << 20) - 8;
        let expected = Err(ConfigError::Element { size_bytes: 0, max_bytes });
        assert_eq!(slot_bytes(config.clone().values::<[u8; 0]>()), expected);
        let largest = config.values::<[u64; 1024]>().slots(1);
        assert_eq!(slot_bytes(largest), Ok(8200));
    }
    assert_eq!(slot_bytes(Config::packed::<[u8; 9]>()), Ok(9));
    let none = Config::packed::<[u8; 0]>();
    let expected = ConfigError::Element { size_bytes: 0, max_bytes: 1 << 20 };
    assert_eq!(slot_bytes(none), Err(expected));
    assert_eq!(slot_bytes(Config::new(Kind::Packed)), Err(ConfigError::NoElement));
    assert_eq!(slot_bytes(Config::packed::<u8>().values::<u64>()), Ok(8), "the last one counts");
    let longest = Config::mpmc().slots(1).slot_bytes(1 << 20).geometry().unwrap().rings[0];
    assert!(longest.max_message_bytes() <= slot::MAX_LEN);
}

/// Catches a size that is ignored where it means nothing: the caller believes to have it.
#[test]
fn a_size_that_the_kind_does_not_have_is_refused() {
    for kind in Kind::ALL {
        let config = || {
            let config = Config::new(kind);
            if kind == Kind::Packed { config.values::<u64>() } else { config }
        };
        let has_records = matches!(kind, Kind::Spsc | Kind::Broadcast);
        for (what, config, has) in [
            ("capacity in bytes", config().capacity_bytes(4096), has_records),
            ("slots", config().slots(16), !has_records),
            ("size of slots", config().slot_bytes(64), !has_records && kind != Kind::Packed),
            ("element type", config().values::<u64>(), !matches!(kind, Kind::Spsc | Kind::Jobs)),
        ] {
            let expected = if has { None } else { Some(ConfigError::NotForKind { what, kind }) };
            assert_eq!(config.geometry().err(), expected, "{what} of {kind}");
            assert_eq!(config.rounded_capacity_bytes().is_ok(), has);
            assert_eq!(config.rounded_slots().is_ok(), has);
        }
    }
}

/// Catches a table of no entries, or of more than there are bits, and a mode that is none.
#[test]
fn entries_and_mode_are_checked_for_every_kind() {
    for kind in Kind::ALL {
        let config = || {
            let config = Config::new(kind);
            if kind == Kind::Packed { config.values::<u64>() } else { config }
        };
        for (attachments, handles) in [(1, 1), (2, 2), (255, 251), (256, 252)] {
            let config = config().max_attachments(attachments).max_handles(handles);
            let geometry = config.geometry().unwrap();
            assert_eq!((geometry.attachments, geometry.handles), (attachments, handles));
        }
        let wrong = |what, entries, max| Some(ConfigError::Entries { what, entries, max });
        for entries in [0, 257, u64::MAX] {
            let found = config().max_attachments(entries).geometry();
            assert_eq!(found.err(), wrong("attachments", entries, 256));
        }
        for entries in [0, 253, u64::MAX] {
            let found = config().max_handles(entries).geometry();
            assert_eq!(found.err(), wrong("handles", entries, 252));
        }
        for mode in [0, 0o600, 0o777] {
            assert!(config().mode(mode).geometry().is_ok());
        }
        for mode in [0o1000, 0o1777, 0o4755, u32::MAX] {
            let found = config().mode(mode).geometry();
            assert_eq!(found.err(), Some(ConfigError::Mode { mode }));
        }
    }
}

/// Catches a wish that sets another's bit, or that cannot be taken back.
#[test]
fn each_wish_for_memory_is_its_own() {
    let all = || Config::mpmc().prefault(true).lock(true).huge_pages(true);
    assert_eq!(Config::mpmc().prefault(true).memory, 1);
    assert_eq!(Config::mpmc().lock(true).memory, 2);
    assert_eq!(Config::mpmc().huge_pages(true).memory, 4);
    assert_eq!(all().memory, 7);
    assert_eq!(all().prefault(false).memory, 6);
    assert_eq!(all().lock(false).memory, 5);
    assert_eq!(all().huge_pages(false).memory, 3);
}

/// Catches a ring that is left out, or checked by less than a sole one is.
#[test]
fn rings_are_described_one_by_one() {
    let records = || Config::spsc().capacity_bytes(5000);
    let config = records().with_ring(Config::mpmc().slots(3).slot_bytes(33));
    let shapes = config.geometry().unwrap().rings;
    assert_eq!(
        shapes.iter().map(|shape| shape.kind()).collect::<Vec<_>>(),
        [Kind::Spsc, Kind::Mpmc]
    );
    assert_eq!((shapes[0].capacity_bytes(), shapes[1].capacity_bytes()), (8192, 4 * 40));
    let bad = records().with_ring(Config::mpmc().capacity_bytes(4096));
    assert!(matches!(bad.geometry(), Err(ConfigError::NotForKind { kind: Kind::Mpmc, .. })));
    let rings = |count: usize| (1..count).fold(records(), |all, _| all.with_ring(records()));
    assert_eq!(rings(64).geometry().unwrap().rings.len(), 64);
    assert!(matches!(rings(65).geometry(), Err(ConfigError::Entries { what: "rings", .. })));
}
