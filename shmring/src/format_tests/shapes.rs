//! The format of segments with slots and with elements.

use super::{ENTRY, header, one, page, set_word, sign, word_of};
use crate::error::ConfigError;
use crate::format::{BadHeader, Geometry, Header, LAYOUT_HASH, MAGIC, MAX_SLOT_BYTES, Shape, many};
use crate::info::{ElementType, Kind, TypeName};

const SLOT_KINDS: [Kind; 3] = [Kind::Mpmc, Kind::Mpsc, Kind::Spmc];
const TICK: ElementType = ElementType {
    size_bytes: 24,
    align_bytes: 8,
    type_id: 0x7469_636B,
    name: TypeName::new("Tick"),
};

fn slots(kind: Kind, slots: u64, slot_bytes: u64, element: Option<ElementType>) -> Geometry {
    one(3, 5, Shape::Slots { kind, slots, slot_bytes, align_bytes: 8, element })
}

fn packed(slots: u64, element: ElementType) -> Geometry {
    one(3, 5, Shape::Elements { slots, element })
}

fn of_size(size_bytes: u64, align_bytes: u64) -> ElementType {
    ElementType { size_bytes, align_bytes, type_id: 7, name: TypeName::UNKNOWN }
}

/// Catches a bound of the number of slots that is off by one, or another for one kind.
#[test]
fn the_number_of_slots_is_checked_at_its_bounds() {
    let all = |count| {
        SLOT_KINDS
            .map(|kind| slots(kind, count, 16, None))
            .into_iter()
            .chain([packed(count, of_size(1, 1)), packed(count, of_size(512, 8))])
    };
    for shift in 0..=24 {
        for geometry in all(1 << shift) {
            assert_eq!(geometry.check(), Ok(()), "2^{shift}");
        }
    }
    for count in [0, 3, 5, 1000, (1 << 24) - 1, (1 << 24) + 1, 1 << 25, 1 << 63, u64::MAX] {
        for geometry in all(count) {
            let expected = ConfigError::Slots { slots: count, max: 16_777_216 };
            assert_eq!(geometry.check(), Err(expected));
        }
    }
}

/// Catches a slot without room for a stamp and a word, one whose length no stamp can say,
/// and one that would lie between words.
#[test]
fn the_size_of_slots_is_checked_at_its_bounds() {
    for kind in SLOT_KINDS {
        for slot_bytes in [16, 24, 32, 120, 128, 136, 4096, (1 << 20) - 8, 1 << 20] {
            assert_eq!(slots(kind, 4, slot_bytes, None).check(), Ok(()), "{slot_bytes}");
        }
        for slot_bytes in [0, 1, 7, 8, 9, 15, 17, 20, 23, 25, 4095, (1 << 20) - 1] {
            let expected = ConfigError::SlotBytes { slot_bytes, min: 16, max: 1 << 20 };
            assert_eq!(slots(kind, 4, slot_bytes, None).check(), Err(expected));
        }
        for slot_bytes in [(1 << 20) + 1, (1 << 20) + 8, 1 << 21, 1 << 40, u64::MAX - 7] {
            let expected = ConfigError::SlotBytes { slot_bytes, min: 16, max: 1 << 20 };
            assert_eq!(slots(kind, 1 << 24, slot_bytes, None).check(), Err(expected));
        }
    }
    // A claim lies behind the stamp.
    for (slot_bytes, is_enough) in [(16, false), (24, true), (1 << 20, true)] {
        let expected = ConfigError::SlotBytes { slot_bytes, min: 24, max: 1 << 20 };
        let expected = if is_enough { Ok(()) } else { Err(expected) };
        assert_eq!(slots(Kind::Jobs, 4, slot_bytes, None).check(), expected);
    }
    assert_eq!(MAX_SLOT_BYTES, 1 << 20);
}

/// Catches a ring larger than the largest, also where its size overflows.
#[test]
fn slots_times_their_size_is_checked() {
    for (count, slot_bytes) in [(1 << 13, 1 << 20), (1 << 24, 512), (1 << 23, 1024)] {
        assert_eq!(slots(Kind::Mpmc, count, slot_bytes, None).check(), Ok(()));
        assert_eq!(slots(Kind::Mpmc, count, slot_bytes, None).rings[0].capacity_bytes(), 1 << 33);
        assert_eq!(packed(count, of_size(slot_bytes, 8)).check(), Ok(()));
        for slot_bytes in [slot_bytes + 8, slot_bytes * 2, 1 << 20] {
            if slot_bytes > 1 << 20 || count * slot_bytes <= 1 << 33 {
                continue;
            }
            let capacity_bytes = count * slot_bytes;
            let expected = Err(ConfigError::Capacity { capacity_bytes, max_bytes: 1 << 33 });
            assert_eq!(slots(Kind::Mpmc, count, slot_bytes, None).check(), expected);
            assert_eq!(packed(count, of_size(slot_bytes, 8)).check(), expected);
        }
    }
    for count in [2, 1 << 10, 1 << 24] {
        for slot_bytes in [1 << 63, !7] {
            assert!(slots(Kind::Mpsc, count, slot_bytes, None).check().is_err());
            assert!(packed(count, of_size(slot_bytes, 8)).check().is_err());
        }
    }
}

/// Catches a type that has no size, does not fit, or that no type can be.
#[test]
fn the_element_is_checked_at_its_bounds() {
    let good = [(1, 1), (2, 2), (3, 1), (6, 2), (8, 8), (12, 4), (16, 16), (40, 8), (48, 16)];
    for (size, align) in good {
        let element = of_size(size, align);
        assert_eq!(packed(4, element).check(), Ok(()), "{element}");
        // The slot that just fits, and that which is one word too small.
        let align_bytes = align.max(8);
        let fitting = (size + 8).next_multiple_of(align_bytes);
        let of_bytes = |slot_bytes| {
            let (kind, element) = (Kind::Spmc, Some(element));
            one(3, 5, Shape::Slots { kind, slots: 4, slot_bytes, align_bytes, element })
        };
        assert_eq!(of_bytes(fitting).check(), Ok(()));
        if fitting > 16 {
            let max_bytes = fitting - align_bytes - 8;
            let expected = ConfigError::Element { size_bytes: size, max_bytes };
            let found = of_bytes(fitting - align_bytes).check();
            assert_eq!(found, Err(expected));
        }
    }
    let bad = [(0, 1), (0, 0), (8, 0), (8, 3), (12, 6), (8, 16), (6, 4), (9, 2), (24, 16)];
    for (size, align) in bad.into_iter().chain([(24, u64::MAX), (1 << 40, 1), (u64::MAX, 1)]) {
        let element = of_size(size, align);
        let wrong = |max_bytes| Err(ConfigError::Element { size_bytes: size, max_bytes });
        assert_eq!(packed(4, element).check(), wrong(1 << 20), "{element}");
        assert_eq!(slots(Kind::Mpmc, 4, 64, Some(element)).check(), wrong(56), "{element}");
    }
    assert_eq!(packed(4, of_size(1 << 20, 8)).check(), Ok(()));
    let expected = ConfigError::Element { size_bytes: (1 << 20) + 8, max_bytes: 1 << 20 };
    assert_eq!(packed(4, of_size((1 << 20) + 8, 8)).check(), Err(expected));
}

/// Catches elements in place that are not aligned as their type: a mapping starts at any
/// page, and the slots of a slot ring have an alignment of their own.
#[test]
fn elements_in_place_are_aligned() {
    let expected = ConfigError::ElementAlign { align_bytes: 16, max_bytes: 8 };
    assert_eq!(slots(Kind::Mpmc, 4, 64, Some(of_size(16, 16))).check(), Err(expected));
    assert_eq!(packed(4, of_size(8192, 4096)).check(), Ok(()));
    for align_bytes in [8192, 1 << 20] {
        let element = of_size(1 << 20, align_bytes);
        let expected = ConfigError::ElementAlign { align_bytes, max_bytes: 4096 };
        assert_eq!(packed(4, element).check(), Err(expected));
    }
}

/// Catches a shape that says something else of itself than it is.
#[test]
fn a_shape_says_what_it_is() {
    for kind in SLOT_KINDS {
        for element in [None, Some(TICK)] {
            let shape = slots(kind, 8, 40, element).rings[0];
            assert_eq!(
                (shape.kind(), shape.slots(), shape.slot_bytes()),
                (kind, Some(8), Some(40))
            );
            // Bytes span half of the slots, and a value lies in one.
            let longest = if element.is_none() { 128 } else { 32 };
            assert_eq!((shape.capacity_bytes(), shape.max_message_bytes()), (320, longest));
            assert_eq!(shape.element(), element);
        }
    }
    let shape = packed(8, TICK).rings[0];
    let kind = Kind::Packed;
    assert_eq!((shape.kind(), shape.slots(), shape.slot_bytes()), (kind, Some(8), Some(24)));
    assert_eq!((shape.capacity_bytes(), shape.max_message_bytes()), (192, 24));
    assert_eq!(shape.element(), Some(TICK));
    let shape = super::default_geometry().rings[0];
    assert_eq!((shape.kind(), shape.slots(), shape.slot_bytes()), (Kind::Spsc, None, None));
    assert_eq!((shape.capacity_bytes(), shape.element()), (1 << 20, None));
    let shared = Kind::ALL.map(|kind| (many(kind).producers, many(kind).consumers));
    let expected = [
        (false, false),
        (true, true),
        (true, false),
        (false, true),
        (false, false),
        (false, true),
        (true, true),
    ];
    assert_eq!(shared, expected);
    let shape = Shape::Broadcast { capacity_bytes: 4096, align_bytes: 8, element: Some(TICK) };
    assert_eq!((shape.kind(), shape.slots(), shape.slot_bytes()), (Kind::Broadcast, None, None));
    assert_eq!((shape.capacity_bytes(), shape.element()), (4096, Some(TICK)));
    // A sixteenth stays kept, and each value takes a word more.
    assert_eq!(shape.most_elements(), (4096 - 256) / 32);
}

/// Catches a word of the header that moved, or that is not read back, for each kind.
#[test]
fn a_header_of_slots_reads_as_it_was_written() {
    for (number, kind) in [(2, Kind::Mpmc), (3, Kind::Mpsc), (4, Kind::Spmc)] {
        for (element, words) in [(None, [0; 3]), (Some(TICK), [24, 8, 0x7469_636B])] {
            let total = 16_384 + 4096;
            let words = [8, 40, words[0], words[1], words[2]];
            check_words(slots(kind, 8, 40, element), number, 320, total, words);
        }
    }
    check_words(slots(Kind::Jobs, 8, 40, None), 7, 320, 16_384 + 4096, [8, 40, 0, 0, 0]);
    let words = [1 << 12, 24, 24, 8, 0x7469_636B];
    check_words(packed(1 << 12, TICK), 5, 98_304, 16_384 + 98_304, words);
    // An id may be anything, zero included.
    let nameless = ElementType { type_id: 0, ..TICK };
    check_words(packed(2, nameless), 5, 48, 16_384 + 4096, [2, 24, 24, 8, 0]);
    for (element, words) in [(None, [0; 3]), (Some(TICK), [24, 8, 0x7469_636B])] {
        let shape = Shape::Broadcast { capacity_bytes: 4096, align_bytes: 8, element };
        // The marks take a page of their own.
        let words = [0, 0, words[0], words[1], words[2]];
        check_words(one(3, 5, shape), 6, 4096, 16_384 + 8192, words);
    }
}

fn check_words(geometry: Geometry, kind: u64, capacity: u64, total: u64, last: [u64; 5]) {
    assert_eq!(geometry.check(), Ok(()));
    let page = page(&geometry);
    assert_eq!(Header::decode(&page, total), Ok(header(&geometry)));
    let words: Vec<u64> = (0..12).map(|index| word_of(&page, index)).collect();
    let first = [MAGIC, 4, LAYOUT_HASH, total, 1, 0, 3, 5, 5, 1_234_567_890, 4321, 0];
    assert_eq!(words, first);
    let [slots, slot_bytes, size, align, type_id] = last;
    let entry: Vec<u64> = (ENTRY..ENTRY + 9).map(|index| word_of(&page, index)).collect();
    assert_eq!(entry, [kind, 0, capacity, slots, slot_bytes, 8, size, align, type_id]);
    let name = geometry.rings[0].element().map_or([0; 4], |element| element.name.to_words());
    assert_eq!([12, 13, 14, 15].map(|index| word_of(&page, ENTRY + index)), name);
}

/// Catches a word that is believed because the checksum is right, or ignored because the
/// kind has no use for it: there are no two headers of the same segment.
#[test]
fn a_signed_header_with_a_wrong_word_is_refused() {
    let unused = |found| BadHeader::Corrupt { what: "a word that has no meaning here", found };
    let corrupt = |what, found| BadHeader::Corrupt { what, found };
    let record = super::records(3, 5, 4096);
    let plain = slots(Kind::Mpmc, 8, 40, None);
    let typed = slots(Kind::Spmc, 8, 40, Some(TICK));
    let packed = packed(8, TICK);
    let tick = u64::from_ne_bytes(*b"Tick\0\0\0\0");
    let cases = [
        (&record, ENTRY + 3, 1, unused(1)),
        (&record, ENTRY + 4, 16, unused(16)),
        (&record, ENTRY + 6, 8, unused(8)),
        (&record, ENTRY + 7, 8, unused(8)),
        (&record, ENTRY + 8, 99, unused(99)),
        (&plain, ENTRY + 2, 321, unused(321)),
        (&plain, ENTRY + 2, 0, unused(0)),
        (&plain, ENTRY + 3, 0, corrupt("geometry", 1)),
        (&plain, ENTRY + 3, 7, corrupt("geometry", 1)),
        (&plain, ENTRY + 3, 16, unused(320)),
        (&plain, ENTRY + 3, 1 << 13, corrupt("total length", 20_480)),
        (&plain, ENTRY + 3, 1 << 25, corrupt("geometry", 1)),
        (&plain, ENTRY + 3, 1 << 63, corrupt("geometry", 1)),
        (&plain, ENTRY + 4, 0, corrupt("geometry", 1)),
        (&plain, ENTRY + 4, 8, corrupt("geometry", 1)),
        (&plain, ENTRY + 4, 44, corrupt("geometry", 1)),
        (&plain, ENTRY + 4, 48, unused(320)),
        (&plain, ENTRY + 4, !7, corrupt("geometry", 1)),
        // A type without a size is none.
        (&plain, ENTRY + 7, 8, unused(8)),
        (&plain, ENTRY + 8, 5, unused(5)),
        (&plain, ENTRY + 6, 40, corrupt("geometry", 1)),
        (&typed, ENTRY + 6, 0, unused(8)),
        (&typed, ENTRY + 6, 33, corrupt("geometry", 1)),
        (&typed, ENTRY + 6, 25, corrupt("geometry", 1)),
        (&typed, ENTRY + 7, 0, corrupt("geometry", 1)),
        (&typed, ENTRY + 7, 16, corrupt("geometry", 1)),
        (&typed, ENTRY + 7, 3, corrupt("geometry", 1)),
        (&packed, ENTRY + 2, 191, unused(191)),
        (&packed, ENTRY + 3, 0, corrupt("geometry", 1)),
        (&packed, ENTRY + 3, 12, corrupt("geometry", 1)),
        (&packed, ENTRY + 3, 16, unused(192)),
        (&packed, ENTRY + 4, 0, unused(0)),
        (&packed, ENTRY + 4, 32, unused(32)),
        (&packed, ENTRY + 6, 0, corrupt("geometry", 1)),
        (&packed, ENTRY + 6, 16, unused(192)),
        (&packed, ENTRY + 6, u64::MAX, corrupt("geometry", 1)),
        (&packed, ENTRY + 7, 0, corrupt("geometry", 1)),
        (&packed, ENTRY + 7, 16, corrupt("geometry", 1)),
        (&packed, ENTRY + 11, 1, unused(1)),
        // Names where there is no type, and what is no name.
        (&record, ENTRY + 12, 1, unused(1)),
        (&plain, ENTRY + 15, 1, unused(1)),
        (&typed, ENTRY + 12, 0xFF, unused(0xFF)),
        (&packed, ENTRY + 13, 1, unused(tick)),
        (&plain, 510, 1, unused(1)),
    ];
    for (geometry, index, value, expected) in cases {
        let mut page = page(geometry);
        let total = word_of(&page, 3);
        set_word(&mut page, index, value);
        sign(&mut page);
        let kind = geometry.rings[0].kind();
        assert_eq!(
            Header::decode(&page, total),
            Err(expected),
            "{kind}, word {index} = {value:#x}"
        );
    }
}

/// Catches a kind that another kind's segment is taken for. Slot rings differ in the kind
/// alone: that is a fact, and no error.
#[test]
fn a_header_of_another_kind_is_refused_or_that_kind() {
    let plain = slots(Kind::Mpmc, 8, 40, None);
    for geometry in [super::records(3, 5, 4096), plain, packed(8, TICK)] {
        for number in 1..=7 {
            let mut page = page(&geometry);
            let (sound, total) = (word_of(&page, ENTRY), word_of(&page, 3));
            set_word(&mut page, ENTRY, number);
            sign(&mut page);
            let found = Header::decode(&page, total).map(|header| header.geometry.rings[0].kind());
            let has_slots = |kind| (2..=4).contains(&kind) || kind == 7;
            let related = has_slots(sound) && has_slots(number);
            // What has elements and what lies in slots is told apart by the size of slots.
            assert_eq!(found.is_ok(), number == sound || related, "{sound} as {number}: {found:?}");
            if let Ok(kind) = found {
                let index = number as usize - 1;
                assert_eq!(kind, Kind::ALL[index]);
            }
        }
    }
}
