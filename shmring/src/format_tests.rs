//! The format of a segment, pinned with numbers: any change here breaks every
//! program that was built before, and needs a new VERSION.

#[path = "format_tests/any_shape.rs"]
mod any_shape;
#[path = "format_tests/shapes.rs"]
mod shapes;

use std::mem::{align_of, offset_of, size_of};

use proptest::prelude::*;

use super::geometry::{Map, RingOffsets};
use super::*;
use crate::error::ConfigError;

/// The word of the header page, or of the directory behind it, that the first ring's entry
/// starts at.
const ENTRY: usize = 512;
/// Bytes in the header page and in the directory of up to 32 rings.
const PROLOGUE_BYTES: usize = 8192;

fn default_geometry() -> Geometry {
    records(64, 64, 1 << 20)
}

fn smallest() -> Geometry {
    records(1, 1, 4096)
}

fn largest() -> Geometry {
    records(256, 252, 8_589_934_592)
}

fn records(attachments: u64, handles: u64, capacity_bytes: u64) -> Geometry {
    one(attachments, handles, Shape::Records { capacity_bytes, align_bytes: 8 })
}

/// The geometry of a segment with one ring.
fn one(attachments: u64, handles: u64, shape: Shape) -> Geometry {
    Geometry { attachments, handles, rings: vec![shape] }
}

fn header(geometry: &Geometry) -> Header {
    Header {
        geometry: geometry.clone(),
        memory: 5,
        created_ns: 1_234_567_890,
        creator_pid: 4321,
        metadata: Vec::new(),
    }
}

/// The header page and the directory.
fn page(geometry: &Geometry) -> Vec<u8> {
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
    for index in (0..511).chain(512..page.len() / 8) {
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
        (offset_of!(Control, consumer) + offset_of!(ConsumerLine, eof_epoch), 144),
        (offset_of!(Control, consumer) + offset_of!(ConsumerLine, peeked), 152),
        (offset_of!(Control, consumer) + offset_of!(ConsumerLine, next), 200),
        (offset_of!(Control, consumer) + offset_of!(ConsumerLine, parts), 208),
        (offset_of!(Control, receivers) + offset_of!(Sleepers, words), 256),
        (offset_of!(Control, senders) + offset_of!(Sleepers, words), 384),
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
        (offset_of!(AttachmentEntry, state), 0),
        (offset_of!(AttachmentEntry, pid), 8),
        (offset_of!(AttachmentEntry, uid), 12),
        (offset_of!(AttachmentEntry, start_ticks), 16),
        (offset_of!(AttachmentEntry, pid_namespace), 24),
        (offset_of!(AttachmentEntry, reserved), 32),
    ];
    let handle = [
        (offset_of!(Handle, own) + offset_of!(HandleOwn, intent), 0),
        (offset_of!(Handle, own) + offset_of!(HandleOwn, cursor), 8),
        (offset_of!(Handle, own) + offset_of!(HandleOwn, jobs), 48),
        (offset_of!(Handle, park), 128),
        (offset_of!(Handle, reserved), 132),
        (offset_of!(Handle, state), 136),
        (offset_of!(Handle, need), 144),
    ];
    for (i, (found, expected)) in control.into_iter().chain(attach).chain(handle).enumerate() {
        assert_eq!(found, expected, "field {i}");
    }
    assert_eq!((size_of::<Control>(), align_of::<Control>()), (640, 128));
    assert_eq!((size_of::<AttachmentEntry>(), align_of::<AttachmentEntry>()), (64, 8));
    assert_eq!((size_of::<Handle>(), align_of::<Handle>()), (256, 128));
    assert_eq!((size_of::<Sleepers>(), size_of::<Roles>()), (128, 128));
}

/// Catches a change of what programs recognise a segment by.
#[test]
fn the_numbers_that_identify_a_segment_are_pinned() {
    assert_eq!(MAGIC, 0x0067_6E69_726D_6873);
    assert_eq!(VERSION, 4);
    assert_eq!(LAYOUT_HASH, 867_106_482_881_166_246);
    assert_eq!((PAGE_BYTES, MAX_CAPACITY_BYTES), (4096, 8_589_934_592));
    assert_eq!((MAX_ATTACHMENTS, MAX_HANDLE_ENTRIES, SLEEPERS_PER_WORD), (256, 252, 63));
    assert_eq!((KIND_SPSC, KIND_MPMC, KIND_MPSC, KIND_SPMC, KIND_PACKED), (1, 2, 3, 4, 5));
    assert_eq!((KIND_BROADCAST, KIND_JOBS), (6, 7));
    assert_eq!((MEMORY_PREFAULT, MEMORY_LOCK, MEMORY_HUGE_PAGES), (1, 2, 4));
}

/// Catches a table or ring that moved, and parts that overlap at the extremes.
#[test]
fn parts_lie_where_they_always_lay() {
    let map = |attachments, handles, control, data, total_bytes| Map {
        attachments,
        handles,
        rings: vec![RingOffsets { control, data }],
        total_bytes,
    };
    assert_eq!(default_geometry().map(), map(8192, 12288, 28672, 32768, 1_081_344));
    assert_eq!(smallest().map(), map(8192, 12288, 12544, 16384, 20480));
    assert_eq!(largest().map(), map(8192, 24576, 89088, 90112, 8_590_024_704));
    assert_eq!(default_geometry().attach(0), 8192);
    assert_eq!(default_geometry().attach(63), 12224);
}

/// Catches control blocks or data of two rings that overlap, and a directory that grows over
/// what is behind it.
#[test]
fn rings_lie_behind_one_another() {
    let words = Shape::Records { capacity_bytes: 4096, align_bytes: 64 };
    let slots = Shape::Slots {
        kind: crate::info::Kind::Mpmc,
        slots: 4,
        slot_bytes: 48,
        align_bytes: 16,
        element: None,
    };
    let jobs = |align_bytes| Shape::Slots {
        kind: crate::info::Kind::Jobs,
        slots: 4,
        slot_bytes: 64,
        align_bytes,
        element: None,
    };
    // That of a job is two words behind.
    for (align_bytes, shift) in [(8, 0), (16, 0), (32, 16), (64, 48)] {
        let map = one(1, 1, jobs(align_bytes)).map();
        assert_eq!(map.rings, [RingOffsets { control: 12544, data: 16384 + shift }]);
    }
    let geometry = Geometry { attachments: 1, handles: 1, rings: vec![words, slots, words] };
    let map = geometry.map();
    let offsets = |control, data| RingOffsets { control, data };
    // Payload is one word behind the start of a record or slot, and so aligned.
    let rings = [offsets(12544, 16440), offsets(13184, 24584), offsets(13824, 28728)];
    assert_eq!((&map.rings[..], map.total_bytes), (&rings[..], 36864));
    assert_eq!(Header::decode(&page(&geometry), 36864), Ok(header(&geometry)));

    for (count, attachments) in [(32, 8192), (33, 12288), (64, 12288)] {
        let geometry = Geometry { attachments: 1, handles: 1, rings: vec![slots; count] };
        assert_eq!((geometry.check(), geometry.map().attachments), (Ok(()), attachments));
        let total_bytes = geometry.map().total_bytes;
        assert_eq!(Header::decode(&page(&geometry), total_bytes), Ok(header(&geometry)));
    }
    for count in [0, 65] {
        let geometry = Geometry { attachments: 1, handles: 1, rings: vec![slots; count] };
        let wrong = ConfigError::Entries { what: "rings", entries: count as u64, max: 64 };
        assert_eq!(geometry.check(), Err(wrong));
    }
}

/// Catches metadata that is cut, or that is read beyond its length.
#[test]
fn metadata_reads_as_it_was_written() {
    for len in [0, 1, 7, 8, 9, 1023, 1024] {
        let metadata: Vec<u8> = (0..len).map(|index| index as u8 | 1).collect();
        let header = Header { metadata, ..header(&smallest()) };
        assert_eq!(Header::decode(&header.encode(), 20480), Ok(header));
    }
}

/// Catches an alignment that is no power of two, too small for a word, or too large for the
/// ring.
#[test]
fn the_alignment_of_payloads_is_checked_at_its_bounds() {
    let aligned = |capacity_bytes, align_bytes| {
        one(1, 1, Shape::Records { capacity_bytes, align_bytes }).check()
    };
    for align_bytes in [8, 16, 64, 256] {
        assert_eq!(aligned(4096, align_bytes), Ok(()));
    }
    assert_eq!(aligned(65536, 4096), Ok(()));
    for (capacity_bytes, align_bytes, max_bytes) in
        [(4096, 0, 256), (4096, 4, 256), (4096, 24, 256), (4096, 512, 256), (1 << 20, 8192, 4096)]
    {
        let expected = ConfigError::PayloadAlign { align_bytes, max_bytes };
        assert_eq!(aligned(capacity_bytes, align_bytes), Err(expected));
    }
}

/// Catches a bound that is off by one.
#[test]
fn geometry_is_checked_at_its_bounds() {
    let with = records;
    for geometry in [default_geometry(), smallest(), largest()] {
        assert_eq!(geometry.check(), Ok(()));
    }
    for capacity_bytes in [0, 1, 2048, 4095, 4097, 12288, 1 << 34, u64::MAX] {
        let expected = ConfigError::Capacity { capacity_bytes, max_bytes: 8_589_934_592 };
        assert_eq!(with(1, 1, capacity_bytes).check(), Err(expected));
    }
    let wrong = |what, entries, max| Err(ConfigError::Entries { what, entries, max });
    for entries in [0, 257, u64::MAX] {
        assert_eq!(with(entries, 1, 4096).check(), wrong("attachments", entries, 256));
    }
    for entries in [0, 253, u64::MAX] {
        assert_eq!(with(1, entries, 4096).check(), wrong("handles", entries, 252));
    }
}

/// Catches a field that is written and not read back, or written to another place.
#[test]
fn a_header_reads_as_it_was_written() {
    for geometry in [default_geometry(), smallest(), largest()] {
        let page = page(&geometry);
        assert_eq!(page.len(), PROLOGUE_BYTES);
        assert_eq!(Header::decode(&page, geometry.map().total_bytes), Ok(header(&geometry)));
    }
    let page = page(&default_geometry());
    let words: Vec<u64> = (0..12).map(|index| word_of(&page, index)).collect();
    let fields = [MAGIC, 4, LAYOUT_HASH, 1_081_344, 1, 0, 64, 64, 5, 1_234_567_890, 4321, 0];
    assert_eq!(words, fields);
    assert!((12..511).all(|index| word_of(&page, index) == 0));
    let entry: Vec<u64> = (ENTRY..ENTRY + 16).map(|index| word_of(&page, index)).collect();
    assert_eq!(entry, [1, 0, 1_048_576, 0, 0, 8, 0, 0, 0, 28672, 32768, 0, 0, 0, 0, 0]);
    assert!((ENTRY + 16..1024).all(|index| word_of(&page, index) == 0));
}

/// Catches a bit of the page that nothing looks at, and an error that blames the
/// wrong thing.
#[test]
fn every_flipped_bit_of_the_page_is_noticed() {
    let sound = page(&default_geometry());
    for bit in 0..PROLOGUE_BYTES * 8 {
        let mut page = sound.clone();
        page[bit / 8] ^= 1 << (bit % 8);
        let index = bit / 64;
        let found = word_of(&page, index);
        let expected = match index {
            0 => BadHeader::Foreign { why: "it does not start with the magic" },
            1 => BadHeader::Incompatible { what: "version", found, expected: 4 },
            2 => BadHeader::Incompatible { what: "layout hash", found, expected: LAYOUT_HASH },
            4 if !(1..=64).contains(&found) => {
                BadHeader::Corrupt { what: "number of rings", found }
            }
            _ => BadHeader::Corrupt { what: "checksum", found: word_of(&page, 511) },
        };
        assert_eq!(Header::decode(&page, 1_081_344), Err(expected), "bit {bit}");
    }
}

/// Catches a short page that is taken for a whole one, or that panics.
#[test]
fn every_truncated_page_is_refused() {
    let page = page(&default_geometry());
    for len in 0..PROLOGUE_BYTES {
        let result = Header::decode(&page[..len], len as u64);
        match result {
            Err(BadHeader::Foreign { .. }) => assert!(len < 8, "{len}"),
            Err(BadHeader::Incompatible { .. }) => assert!((8..24).contains(&len), "{len}"),
            Err(BadHeader::Corrupt { what: "number of rings", .. }) => {
                assert!((24..40).contains(&len), "{len}");
            }
            Err(BadHeader::Corrupt { what: "file length", .. }) => assert!(len >= 40, "{len}"),
            other => panic!("{len} bytes gave {other:?}"),
        }
    }
}

/// Catches a magic that is looked for in one byte order only.
#[test]
fn a_segment_of_the_other_byte_order_is_named_as_such() {
    let mut page = page(&default_geometry());
    set_word(&mut page, 0, MAGIC.swap_bytes());
    let why = "made on a machine of the other byte order";
    assert_eq!(Header::decode(&page, 1_081_344), Err(BadHeader::Foreign { why }));
}

/// Catches a field that is believed because the checksum is right.
#[test]
fn a_signed_header_with_a_wrong_field_is_refused() {
    let incompatible = |what, found, expected| BadHeader::Incompatible { what, found, expected };
    let corrupt = |what, found| BadHeader::Corrupt { what, found };
    let big = 1 << 40;
    let cases = [
        (3, 0, corrupt("total length", 0)),
        (3, 1_081_345, corrupt("total length", 1_081_345)),
        (4, 0, corrupt("number of rings", 0)),
        (4, 2, incompatible("kind", 0, 7)),
        (4, 65, corrupt("number of rings", 65)),
        (5, 1, corrupt("a word that has no meaning here", 1)),
        (6, 0, corrupt("geometry", 1)),
        (6, 257, corrupt("geometry", 1)),
        (6, 65, corrupt("total length", 1_081_344)),
        (7, u64::MAX, corrupt("geometry", 1)),
        (7, 128, corrupt("total length", 1_081_344)),
        (8, 8, corrupt("memory flags", 8)),
        (10, big, corrupt("creator pid", big)),
        (11, 1025, corrupt("length of the metadata", 1025)),
        (64, 1, corrupt("a word that has no meaning here", 1)),
        (ENTRY, 0, incompatible("kind", 0, 7)),
        (ENTRY, 8, incompatible("kind", 8, 7)),
        (ENTRY + 2, 0, corrupt("geometry", 1)),
        (ENTRY + 2, 1_048_575, corrupt("geometry", 1)),
        (ENTRY + 2, 1 << 63, corrupt("geometry", 1)),
        (ENTRY + 2, 2_097_152, corrupt("total length", 1_081_344)),
        (ENTRY + 5, 4, corrupt("geometry", 1)),
        (ENTRY + 9, 28_800, corrupt("a word that has no meaning here", 28_800)),
        (ENTRY + 10, 28_672, corrupt("a word that has no meaning here", 28_672)),
        (ENTRY + 16, 1, corrupt("a word that has no meaning here", 1)),
    ];
    for (index, value, expected) in cases {
        let mut page = page(&default_geometry());
        set_word(&mut page, index, value);
        sign(&mut page);
        let result = Header::decode(&page, 1_081_344);
        assert_eq!(result, Err(expected), "word {index} = {value:#x}");
    }
    for len in [0, 4096, 1_081_343, 1_081_345, u64::MAX] {
        let result = Header::decode(&page(&default_geometry()), len);
        assert_eq!(result, Err(corrupt("file length", len)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    /// Catches arithmetic that overflows on a header that someone forged, and a
    /// geometry that gets through unchecked.
    #[test]
    fn a_forged_header_is_refused_or_sound(
        fields in proptest::collection::vec((prop_oneof![3_usize..12, ENTRY..ENTRY + 12], prop_oneof![any::<u64>(), 0_u64..300]), 0..6),
        file_bytes in any::<u64>(),
        same in any::<bool>(),
    ) {
        let mut page = page(&default_geometry());
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
}
