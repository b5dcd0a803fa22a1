//! Kinds of rings: their sizes, and what a segment reports of them to another
//! process.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use shmring::{
    AttachError, Config, ConfigError, CreateError, Element, ElementType, Kind, Observer, Segment,
    TryRecvError,
};

use crate::common::child::{self, say};
use crate::common::{Name, SLOT_KINDS, eventually, slots, watchdog};

/// An element of 12 bytes.
#[derive(Clone, Copy, Element)]
#[repr(C)]
struct Odd([u32; 3]);

/// An element of no size.
#[derive(Clone, Copy, Element)]
#[repr(C)]
struct Nothing;

fn refusal(name: &Name, config: &Config) -> ConfigError {
    let from_size = config.rounded_capacity_bytes().unwrap_err();
    assert_eq!(config.rounded_slots().unwrap_err(), from_size);
    let CreateError::Config(refused) = Segment::create(name, config).unwrap_err() else {
        panic!("refused for another reason");
    };
    let again = Segment::recreate(name, config).unwrap_err();
    assert!(matches!(again, CreateError::Config(again) if again == refused));
    assert_eq!(refused, from_size);
    assert!(!name.path().exists(), "a refused segment was left behind");
    refused
}

/// Catches a number of slots that is rounded down, wraps around, or is taken as it is.
#[test]
fn slots_are_rounded_up_or_refused() {
    let name = Name::new();
    for kind in SLOT_KINDS {
        for (asked, expected) in [(1, 1), (2, 2), (3, 4), (1000, 1024), (1025, 2048)] {
            let config = slots(kind, asked, 32);
            assert_eq!(config.rounded_slots(), Ok(Some((expected, 32))));
            let segment = name.create(&config);
            let description = segment.info();
            assert_eq!(
                (description.ring().slots, description.ring().slot_bytes),
                (Some(expected), Some(32))
            );
            assert_eq!(description.ring().capacity_bytes, 32 * expected);
            let data = (32 * expected).next_multiple_of(4096);
            assert_eq!(description.total_bytes, 32_768 + data);
            assert_eq!(name.path().metadata().unwrap().len(), 32_768 + data);
            Segment::unlink(&name).unwrap();
        }
    }
    let max = 1 << 24;
    for asked in [0, max + 1, 1 << 32, u64::MAX] {
        for kind in SLOT_KINDS {
            let refused = refusal(&name, &slots(kind, asked, 16));
            assert_eq!(refused, ConfigError::Slots { slots: asked, max }, "{kind}");
            assert!(refused.to_string().contains(&max.to_string()), "{refused}");
        }
        let refused = refusal(&name, &Config::packed::<u8>().slots(asked));
        assert_eq!(refused, ConfigError::Slots { slots: asked, max });
    }
    // What the largest would come to is known without making it.
    assert_eq!(slots(Kind::Mpmc, max, 16).rounded_capacity_bytes(), Ok(max * 16));
    assert_eq!(slots(Kind::Mpmc, max - 1, 16).rounded_slots(), Ok(Some((max, 16))));
}

/// Catches slots that hold no message, whose length does not fit into a stamp, or that
/// are not made of words.
#[test]
fn slot_sizes_are_rounded_up_or_refused() {
    let name = Name::new();
    for kind in SLOT_KINDS {
        for (asked, expected) in [(9, 16), (16, 16), (17, 24), (250, 256), (1 << 20, 1 << 20)] {
            let segment = name.create(&slots(kind, 2, asked));
            assert_eq!(segment.info().ring().slot_bytes, Some(expected), "{asked}");
            assert_eq!(segment.info().ring().max_message_bytes, expected - 8);
            Segment::unlink(&name).unwrap();
        }
        for asked in [0, 1, 8, (1 << 20) + 1, 1 << 32, u64::MAX] {
            let refused = refusal(&name, &slots(kind, 2, asked));
            let expected = ConfigError::SlotBytes { slot_bytes: asked, min: 16, max: 1 << 20 };
            assert_eq!(refused, expected, "{kind}");
        }
        let refused = refusal(&name, &slots(kind, 1 << 24, 1 << 20));
        let (capacity_bytes, max_bytes) = (1 << 44, 1 << 33);
        assert_eq!(refused, ConfigError::Capacity { capacity_bytes, max_bytes });
    }
}

/// Catches elements that do not fit into their slots, or have no bytes.
#[test]
fn elements_fit_into_their_slots_or_are_refused() {
    let name = Name::new();
    for kind in SLOT_KINDS {
        let config = Config::new(kind).slots(4).values::<Odd>();
        assert_eq!(config.rounded_slots(), Ok(Some((4, 24))));
        assert_eq!(config.clone().slot_bytes(128).rounded_slots(), Ok(Some((4, 128))));
        let refused = refusal(&name, &config.slot_bytes(16));
        assert_eq!(refused, ConfigError::Element { size_bytes: 12, max_bytes: 8 });
        let largest = Config::new(kind).slots(1).values::<[u64; 131_071]>();
        assert_eq!(largest.rounded_slots(), Ok(Some((1, 1 << 20))));
        let larger = Config::new(kind).slots(1).values::<[u64; 131_072]>();
        let refused = refusal(&name, &larger);
        let (size_bytes, max_bytes) = (1_048_576, 1_048_568);
        assert_eq!(refused, ConfigError::Element { size_bytes, max_bytes });
        let refused = refusal(&name, &Config::new(kind).values::<Nothing>().slot_bytes(16));
        assert_eq!(refused, ConfigError::Element { size_bytes: 0, max_bytes: 8 });
    }
    let refused = refusal(&name, &Config::packed::<Nothing>());
    assert_eq!(refused, ConfigError::Element { size_bytes: 0, max_bytes: 1 << 20 });
    let refused = refusal(&name, &Config::packed::<[u64; 131_073]>().slots(2));
    assert!(matches!(refused, ConfigError::Element { size_bytes: 1_048_584, .. }));
    let refused = refusal(&name, &Config::packed::<[u64; 131_072]>().slots(1 << 14));
    assert!(matches!(refused, ConfigError::Capacity { .. }), "{refused:?}");
}

/// Catches a size that is given, means nothing for the kind, and is silently ignored.
#[test]
fn sizes_of_other_kinds_are_refused() {
    let name = Name::new();
    let refused = |config: Config, kind: Kind, what: &str| {
        let refused = refusal(&name, &config);
        assert!(
            matches!(refused, ConfigError::NotForKind { what: w, kind: k } if (w, k) == (what, kind)),
            "{refused:?}"
        );
        let text = refused.to_string();
        assert!(text.starts_with(&format!("a ring of kind {kind} has no {what}")), "{text}");
    };
    refused(Config::spsc().slots(8), Kind::Spsc, "slots");
    refused(Config::spsc().slot_bytes(64), Kind::Spsc, "size of slots");
    refused(Config::spsc().values::<u64>(), Kind::Spsc, "element type");
    refused(Config::packed::<u64>().slot_bytes(64), Kind::Packed, "size of slots");
    refused(Config::packed::<u64>().capacity_bytes(4096), Kind::Packed, "capacity in bytes");
    for kind in SLOT_KINDS {
        refused(Config::new(kind).capacity_bytes(4096), kind, "capacity in bytes");
    }
    let none = refusal(&name, &Config::new(Kind::Packed).slots(8));
    assert_eq!(none, ConfigError::NoElement);
    assert!(none.to_string().contains("elements of one type"), "{none}");
}

/// Catches a kind whose name cannot be read back.
#[test]
fn kinds_are_read_as_they_are_written() {
    for kind in Kind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
        assert_eq!(kind.name(), kind.to_string());
        assert_eq!(Config::new(kind).rounded_capacity_bytes().is_ok(), kind != Kind::Packed);
    }
    let error = "spmcp".parse::<Kind>().unwrap_err();
    assert!(Kind::ALL.iter().all(|kind| error.contains(kind.name())), "{error}");
}

fn facts(description: &shmring::SegmentInfo) -> String {
    let element =
        description.ring().element.map(|ElementType { size_bytes, align_bytes, type_id, name }| {
            (size_bytes, align_bytes, type_id, name)
        });
    format!(
        "{} {:?} {:?} {element:?} {} {} {}",
        description.ring().kind,
        description.ring().slots,
        description.ring().slot_bytes,
        description.ring().capacity_bytes,
        description.ring().max_message_bytes,
        description.total_bytes
    )
}

/// In the child: reports what it finds.
pub(crate) fn describe(args: &[String]) {
    for name in args {
        let attached = Segment::attach(name).unwrap();
        let (seen, observed) = (attached.info(), Observer::open(name).unwrap());
        assert_eq!(facts(seen), facts(observed.info()));
        say(facts(seen));
    }
}

/// Catches a kind, a geometry or a type that another process takes for something else.
#[test]
fn another_process_sees_what_was_made() {
    let _watchdog = watchdog("another_process_sees_what_was_made");
    let mut configs: Vec<Config> = Vec::new();
    for kind in SLOT_KINDS {
        configs.push(slots(kind, 100, 100));
        configs.push(Config::new(kind).slots(8).values::<Odd>());
        configs.push(Config::new(kind).slots(8).slot_bytes(128).values::<[f64; 2]>());
    }
    configs.push(Config::packed::<Odd>().slots(1000));
    configs.push(Config::spsc().capacity_bytes(8192));
    configs.push(Config::jobs().slots(100).slot_bytes(100));
    let names: Vec<Name> = configs.iter().map(|_| Name::new()).collect();
    let made: Vec<String> = names
        .iter()
        .zip(&configs)
        .map(|(name, config)| facts(name.create(config).info()))
        .collect();
    let odd = format!("Some((12, 4, {}, \"Odd\"))", Odd::TYPE_ID);
    assert_eq!(made[0], "mpmc Some(128) Some(104) None 13312 6144 49152");
    assert_eq!(made[4], format!("mpsc Some(8) Some(24) {odd} 192 16 36864"));
    assert_eq!(made[9], format!("packed Some(1024) Some(12) {odd} 12288 12 45056"));
    assert_eq!(made[10], "spsc None None None 8192 4080 40960");
    assert_eq!(made[11], "jobs Some(128) Some(104) None 13312 5632 49152");
    let args: Vec<&str> = names.iter().map(|name| &**name).collect();
    assert_eq!(child::start("describe", &args).finish(), made);
}

/// Catches a replacement that keeps the old kind, and one that reads the old ring's words
/// as its own.
#[test]
fn a_segment_is_replaced_by_one_of_another_kind() {
    let name = Name::new();
    let configs = [
        slots(Kind::Mpmc, 16, 64),
        Config::packed::<u64>().slots(64),
        slots(Kind::Spmc, 4, 4096),
        Config::spsc().capacity_bytes(4096),
        Config::mpsc().slots(2).values::<Odd>(),
        slots(Kind::Mpsc, 1024, 16),
    ];
    for _ in 0..2 {
        for config in &configs {
            let segment =
                eventually("nobody is attached", || match Segment::recreate(&name, config) {
                    Ok(segment) => Some(segment),
                    Err(CreateError::InUse { .. }) => None,
                    Err(error) => panic!("{error}"),
                });
            assert_eq!(facts(segment.info()), facts(Segment::attach(&name).unwrap().info()));
            assert_eq!(segment.status().unwrap().ring().used_bytes, 0);
            fill(&segment);
            let status = segment.status().unwrap();
            assert!(status.ring().used_bytes > 0 && status.ring().messages_received == 0);
            assert_eq!(
                status.ring().used_slots.is_none(),
                segment.info().ring().kind == Kind::Spsc
            );
        }
    }
}

/// Fills the ring, after a look that finds it empty.
fn fill(segment: &Segment) {
    match (segment.info().ring().kind, segment.info().ring().element) {
        (Kind::Packed, _) => {
            let mut rx = segment.value_consumer::<u64>().unwrap();
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            let mut tx = segment.value_producer::<u64>().unwrap();
            while tx.try_send(&u64::MAX).is_ok() {}
        }
        (_, Some(_)) => {
            let mut rx = segment.value_consumer::<Odd>().unwrap();
            assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)));
            let mut tx = segment.value_producer::<Odd>().unwrap();
            while tx.try_send(&Odd([u32::MAX; 3])).is_ok() {}
        }
        _ => {
            let mut rx = segment.consumer().unwrap();
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            let mut tx = segment.producer().unwrap();
            while tx.try_send(&[0xFF; 8]).is_ok() {}
        }
    }
}

/// Catches a header whose fields for slots and elements are believed, and a refusal that
/// changes anything.
#[test]
fn fields_of_slots_and_elements_are_checked() {
    let name = Name::new();
    name.create(&Config::mpmc().slots(8).values::<Odd>());
    let sound = std::fs::read(name.path()).unwrap();
    let word = |index: usize| u64::from_ne_bytes(sound[8 * index..][..8].try_into().unwrap());
    let file = OpenOptions::new().write(true).open(name.path()).unwrap();
    // Every word that says something of the kind, the slots or the element.
    let told = [2, 8, 24, 12, 4, Odd::TYPE_ID];
    let places: Vec<usize> =
        (3..1024).filter(|&index| index != 511 && told.contains(&word(index))).collect();
    assert!(places.len() >= told.len(), "{places:?}");
    for index in places {
        for value in [0, 1, 3, 5, 23, 25, 1 << 25, 1 << 63, u64::MAX] {
            let mut page = crate::common::Prologue::of(&sound);
            page.set(index, value);
            page.sign();
            file.write_all_at(&page.0, 0).unwrap();
            match Segment::attach(&name) {
                // Some values are as good as the right one, like another name of the type.
                Ok(attached) => {
                    let description = attached.info();
                    assert!(description.total_bytes == sound.len() as u64, "{index} {value}");
                    let _ = (attached.producer(), attached.consumer());
                }
                Err(AttachError::CorruptHeader { .. } | AttachError::Incompatible { .. }) => {}
                Err(error) => panic!("{index} {value}: {error:?}"),
            }
            file.write_all_at(&sound[..crate::common::PROLOGUE_BYTES], 0).unwrap();
        }
    }
    Segment::attach(&name).unwrap().value_producer::<Odd>().unwrap();
}
