//! The format of a segment, pinned with numbers: any change here breaks every
//! program that was built before, and needs a new VERSION.

#[path = "layout_tests/shapes.rs"]
mod shapes;

use std::mem::{align_of, offset_of, size_of};

use proptest::prelude::*;

use super::geometry::Map;
use super::*;
use crate::error::ConfigError;
use crate::ring::wake::WakeFences;

const DEFAULT: Geometry = records(64, 64, 1 << 20);
const SMALLEST: Geometry = records(1, 1, 4096);
const LARGEST: Geometry = records(256, 256, 8_589_934_592);

const fn records(attaches: u64, handles: u64, capacity_bytes: u64) -> Geometry {
    Geometry { attaches, handles, shape: Shape::Records { capacity_bytes } }
}

fn header(geometry: Geometry) -> Header {
    let fences = WakeFences::BothSides;
    Header { geometry, fences, memory: 5, created_ns: 1_234_567_890, creator_pid: 4321 }
}

fn page(geometry: Geometry) -> Vec<u8> {
    header(geometry).encode()
}

fn word_of(page: &[u8], index: usize) -> u64 {
    u64::from_ne_bytes(page[index * 8..index * 8 + 8].try_into().unwrap())
}

fn set_word(page: &mut [u8], index: usize, value: u64) {
    page[index * 8..index * 8 + 8].copy_from_slice(&value.to_ne_bytes());
}

/// Makes the checksum right again, by a second implementation of it.
fn sign(page: &mut [u8]) {
    let mut hash = 14_695_981_039_346_656_037_u64;
    for index in 0..511 {
        hash = (hash ^ word_of(page, index)).wrapping_mul(1_099_511_628_211);
    }
    set_word(page, 511, hash);
}

/// Catches a field that moved, and padding that crept in.
#[test]
fn every_field_lies_where_it_always_lay() {
    let control = [
        (offset_of!(Control, producer) + offset_of!(ProducerLine, tail), 0),
        (offset_of!(Control, consumer) + offset_of!(ConsumerLine, head), 128),
        (offset_of!(Control, consumer) + offset_of!(ConsumerLine, messages), 136),
        (offset_of!(Control, consumer) + offset_of!(ConsumerLine, ends_told), 144),
        (offset_of!(Control, consumer) + offset_of!(ConsumerLine, shown), 152),
        (offset_of!(Control, receivers) + offset_of!(Sleepers, bits), 256),
        (offset_of!(Control, senders) + offset_of!(Sleepers, bits), 384),
        (offset_of!(Control, roles) + offset_of!(Roles, flags), 512),
        (offset_of!(Control, roles) + offset_of!(Roles, producer), 520),
        (offset_of!(Control, roles) + offset_of!(Roles, consumer), 528),
        (offset_of!(Control, roles) + offset_of!(Roles, repairs), 536),
        (offset_of!(Control, roles) + offset_of!(Roles, resolved), 544),
        (offset_of!(Control, roles) + offset_of!(Roles, tombstones), 552),
        (offset_of!(Control, roles) + offset_of!(Roles, producers), 560),
        (offset_of!(Control, roles) + offset_of!(Roles, consumers), 592),
    ];
    let attach = [
        (offset_of!(Attach, state), 0),
        (offset_of!(Attach, pid), 8),
        (offset_of!(Attach, uid), 12),
        (offset_of!(Attach, start_ticks), 16),
        (offset_of!(Attach, pid_namespace), 24),
        (offset_of!(Attach, reserved), 32),
    ];
    let handle = [
        (offset_of!(Handle, own) + offset_of!(HandleOwn, intent), 0),
        (offset_of!(Handle, own) + offset_of!(HandleOwn, cursor), 8),
        (offset_of!(Handle, park), 128),
        (offset_of!(Handle, reserved), 132),
        (offset_of!(Handle, state), 136),
        (offset_of!(Handle, need), 144),
    ];
    for (i, (found, expected)) in control.into_iter().chain(attach).chain(handle).enumerate() {
        assert_eq!(found, expected, "field {i}");
    }
    assert_eq!((size_of::<Control>(), align_of::<Control>()), (640, 128));
    assert_eq!((size_of::<Attach>(), align_of::<Attach>()), (64, 8));
    assert_eq!((size_of::<Handle>(), align_of::<Handle>()), (256, 128));
    assert_eq!((size_of::<Sleepers>(), size_of::<Roles>()), (128, 128));
}

/// Catches a change of what programs recognise a segment by.
#[test]
fn the_numbers_that_identify_a_segment_are_pinned() {
    assert_eq!(MAGIC, 0x0067_6E69_726D_6873);
    assert_eq!(VERSION, 3);
    assert_eq!(LAYOUT_HASH, 4_420_908_528_755_944_809);
    assert_eq!((PAGE_BYTES, MAX_ENTRIES, MAX_CAPACITY_BYTES), (4096, 256, 8_589_934_592));
    assert_eq!((KIND_SPSC, KIND_MPMC, KIND_MPSC, KIND_SPMC, KIND_PACKED), (1, 2, 3, 4, 5));
    assert_eq!([FENCE_BOTH_SIDES, FENCE_BORROWED, FENCE_SLEEPERS_ONLY], [1, 2, 3]);
    assert_eq!((MEMORY_PREFAULT, MEMORY_LOCK, MEMORY_HUGE_PAGES), (1, 2, 4));
}

/// Catches a table or ring that moved, and parts that overlap at the extremes.
#[test]
fn parts_lie_where_they_always_lay() {
    let map = |attaches, handles, control, data, total_bytes| Map {
        attaches,
        handles,
        control,
        data,
        total_bytes,
    };
    assert_eq!(DEFAULT.map(), map(4096, 8192, 24576, 28672, 1_077_248));
    assert_eq!(SMALLEST.map(), map(4096, 8192, 8448, 12288, 16384));
    assert_eq!(LARGEST.map(), map(4096, 20480, 86016, 90112, 8_590_024_704));
    assert_eq!(DEFAULT.map().attach(0), 4096);
    assert_eq!(DEFAULT.map().attach(63), 8128);
}

/// Catches a bound that is off by one.
#[test]
fn geometry_is_checked_at_its_bounds() {
    let with = records;
    for geometry in [DEFAULT, SMALLEST, LARGEST] {
        assert_eq!(geometry.check(), Ok(()));
    }
    for capacity_bytes in [0, 1, 2048, 4095, 4097, 12288, 1 << 34, u64::MAX] {
        let expected = ConfigError::Capacity { capacity_bytes, max_bytes: 8_589_934_592 };
        assert_eq!(with(1, 1, capacity_bytes).check(), Err(expected));
    }
    for entries in [0, 257, u64::MAX] {
        let wrong = |what| Err(ConfigError::Entries { what, entries, max: 256 });
        assert_eq!(with(entries, 1, 4096).check(), wrong("attaches"));
        assert_eq!(with(1, entries, 4096).check(), wrong("handles"));
    }
}

/// Catches a field that is written and not read back, or written to another place.
#[test]
fn a_header_reads_as_it_was_written() {
    for geometry in [DEFAULT, SMALLEST, LARGEST] {
        let page = page(geometry);
        assert_eq!(page.len(), 4096);
        assert_eq!(Header::decode(&page, geometry.map().total_bytes), Ok(header(geometry)));
    }
    for fences in [WakeFences::BothSides, WakeFences::Borrowed, WakeFences::SleepersOnly] {
        let header = Header { fences, ..header(DEFAULT) };
        assert_eq!(Header::decode(&header.encode(), 1_077_248), Ok(header));
    }
    let page = page(DEFAULT);
    let words: Vec<u64> = (0..12).map(|index| word_of(&page, index)).collect();
    let fields =
        [MAGIC, 3, LAYOUT_HASH, 1_077_248, 1, 1, 1_048_576, 64, 64, 5, 1_234_567_890, 4321];
    assert_eq!(words, fields);
    assert!((12..511).all(|index| word_of(&page, index) == 0));
}

/// Catches a bit of the page that nothing looks at, and an error that blames the
/// wrong thing.
#[test]
fn every_flipped_bit_of_the_page_is_noticed() {
    let sound = page(DEFAULT);
    for bit in 0..4096 * 8 {
        let mut page = sound.clone();
        page[bit / 8] ^= 1 << (bit % 8);
        let index = bit / 64;
        let found = word_of(&page, index);
        let expected = match index {
            0 => BadHeader::Foreign { why: "it does not start with the magic" },
            1 => BadHeader::Incompatible { what: "version", found, expected: 3 },
            2 => BadHeader::Incompatible { what: "layout hash", found, expected: LAYOUT_HASH },
            _ => BadHeader::Corrupt { what: "checksum", found: word_of(&page, 511) },
        };
        assert_eq!(Header::decode(&page, 1_077_248), Err(expected), "bit {bit}");
    }
}

/// Catches a short page that is taken for a whole one, or that panics.
#[test]
fn every_truncated_page_is_refused() {
    let page = page(DEFAULT);
    for len in 0..4096 {
        let result = Header::decode(&page[..len], len as u64);
        match result {
            Err(BadHeader::Foreign { .. }) => assert!(len < 8, "{len}"),
            Err(BadHeader::Incompatible { .. }) => assert!((8..24).contains(&len), "{len}"),
            Err(BadHeader::Corrupt { what: "checksum", .. }) => assert!(len >= 24, "{len}"),
            other => panic!("{len} bytes gave {other:?}"),
        }
    }
}

/// Catches a magic that is looked for in one byte order only.
#[test]
fn a_segment_of_the_other_byte_order_is_named_as_such() {
    let mut page = page(DEFAULT);
    set_word(&mut page, 0, MAGIC.swap_bytes());
    let why = "made on a machine of the other byte order";
    assert_eq!(Header::decode(&page, 1_077_248), Err(BadHeader::Foreign { why }));
}

/// Catches a field that is believed because the checksum is right.
#[test]
fn a_signed_header_with_a_wrong_field_is_refused() {
    let incompatible = |what, found, expected| BadHeader::Incompatible { what, found, expected };
    let corrupt = |what, found| BadHeader::Corrupt { what, found };
    let big = 1 << 40;
    let cases = [
        (3, 0, corrupt("total length", 0)),
        (3, 1_077_249, corrupt("total length", 1_077_249)),
        (4, 0, incompatible("kind", 0, 5)),
        (4, 6, incompatible("kind", 6, 5)),
        (5, 0, incompatible("fence mode", 0, 3)),
        (5, 4, incompatible("fence mode", 4, 3)),
        (6, 0, corrupt("geometry", 0)),
        (6, 1_048_575, corrupt("geometry", 1_048_575)),
        (6, 1 << 63, corrupt("geometry", 1 << 63)),
        (6, 2_097_152, corrupt("total length", 1_077_248)),
        (7, 0, corrupt("geometry", 1_048_576)),
        (7, 257, corrupt("geometry", 1_048_576)),
        (7, 65, corrupt("total length", 1_077_248)),
        (8, u64::MAX, corrupt("geometry", 1_048_576)),
        (8, 128, corrupt("total length", 1_077_248)),
        (9, 8, corrupt("memory flags", 8)),
        (11, big, corrupt("creator pid", big)),
    ];
    for (index, value, expected) in cases {
        let mut page = page(DEFAULT);
        set_word(&mut page, index, value);
        sign(&mut page);
        let result = Header::decode(&page, 1_077_248);
        assert_eq!(result, Err(expected), "word {index} = {value:#x}");
    }
    for len in [0, 4096, 1_077_247, 1_077_249, u64::MAX] {
        let result = Header::decode(&page(DEFAULT), len);
        assert_eq!(result, Err(corrupt("file length", len)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    /// Catches arithmetic that overflows on a header that someone forged, and a
    /// geometry that gets through unchecked.
    #[test]
    fn a_forged_header_is_refused_or_sound(
        fields in proptest::collection::vec((3_usize..12, prop_oneof![any::<u64>(), 0_u64..300]), 0..6),
        file_bytes in any::<u64>(),
        same in any::<bool>(),
    ) {
        let mut page = page(DEFAULT);
        for (index, value) in fields {
            set_word(&mut page, index, value);
        }
        sign(&mut page);
        let file_bytes = if same { word_of(&page, 3) } else { file_bytes };
        if let Ok(header) = Header::decode(&page, file_bytes) {
            prop_assert_eq!(header.geometry.check(), Ok(()));
            prop_assert_eq!(header.geometry.map().total_bytes, file_bytes);
        }
    }

    /// Catches parts that overlap or are not aligned in some geometry.
    #[test]
    fn parts_never_overlap(attaches in 1_u64..=256, handles in 1_u64..=256, shift in 12_u32..=33) {
        let geometry = records(attaches, handles, 1 << shift);
        let map = geometry.map();
        prop_assert_eq!(map.attaches, 4096);
        prop_assert!(map.attaches + 64 * attaches <= map.handles);
        prop_assert!(map.handles + 256 * handles <= map.control);
        prop_assert!(map.control + 640 <= map.data);
        prop_assert_eq!(map.data + (1 << shift), map.total_bytes);
        prop_assert_eq!((map.handles % 4096, map.control % 128, map.data % 4096), (0, 0, 0));
    }
}
