//! Properties of every shape that a ring can have.

use proptest::prelude::*;

use super::{ENTRY, header, one, page, set_word, sign, word_of};
use crate::format::{Geometry, Header, Shape};
use crate::info::{ElementType, Kind, TypeName};

/// Any shape that can be, and some that cannot.
fn shape() -> impl Strategy<Value = Shape> {
    let count = prop_oneof![8 => (0_u32..25).prop_map(|shift| 1 << shift), 1 => 0_u64..100];
    let slot_bytes = prop_oneof![8 => (2_u64..200).prop_map(|words| 8 * words), 1 => 0_u64..4096];
    let element =
        (0_u32..5, 0_u64..20, any::<u64>()).prop_map(|(shift, times, type_id)| ElementType {
            size_bytes: times << shift,
            align_bytes: 1 << shift,
            type_id,
            name: TypeName::UNKNOWN.followed_by_number(type_id),
        });
    let typed = proptest::option::of(element.clone());
    prop_oneof![
        (11_u32..34, 2_u32..14).prop_map(|(shift, align)| Shape::Records {
            capacity_bytes: 1 << shift,
            align_bytes: 1 << align,
        }),
        (11_u32..34, 2_u32..14, typed.clone()).prop_map(|(shift, align, element)| {
            let (capacity_bytes, align_bytes) = (1 << shift, 1 << align);
            Shape::Broadcast { capacity_bytes, align_bytes, element }
        }),
        (
            proptest::sample::select(vec![Kind::Mpmc, Kind::Mpsc, Kind::Spmc, Kind::Jobs]),
            count.clone(),
            slot_bytes,
            3_u32..6,
            typed
        )
            .prop_map(|(kind, slots, slot_bytes, align, element)| {
                let align_bytes = 1 << align;
                Shape::Slots { kind, slots, slot_bytes, align_bytes, element }
            }),
        (count, element).prop_map(|(slots, element)| Shape::Elements { slots, element }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    /// Catches parts that overlap or are not aligned in some shape, and a header that
    /// does not bring it back.
    #[test]
    fn parts_of_every_shape_never_overlap(
        attachments in 1_u64..=256,
        handles in 1_u64..=252,
        rings in proptest::collection::vec(shape(), 1..5),
    ) {
        let geometry = Geometry { attachments, handles, rings };
        if geometry.check().is_err() {
            return Ok(());
        }
        let map = geometry.map();
        prop_assert_eq!(map.attachments, 8192);
        prop_assert!(map.attachments + 64 * attachments <= map.handles);
        prop_assert_eq!((map.handles % 4096, map.total_bytes % 4096), (0, 0));
        let mut control = map.handles + 256 * handles;
        let mut end = control + 640 * geometry.rings.len() as u64;
        for (shape, offsets) in geometry.rings.iter().zip(&map.rings) {
            prop_assert_eq!(offsets.control, control);
            control += 640;
            let marks_bytes = if let Shape::Broadcast { .. } = shape { 256 } else { 0 };
            let data_bytes = shape.capacity_bytes();
            prop_assert!((1..=1 << 33).contains(&data_bytes));
            prop_assert!(end <= offsets.data && offsets.data < end + 8192, "more than is needed");
            end = offsets.data + data_bytes + marks_bytes;
            let first_payload = match shape {
                Shape::Elements { .. } => offsets.data,
                Shape::Slots { kind: Kind::Jobs, .. } => offsets.data + 16,
                Shape::Records { .. } | Shape::Slots { .. } | Shape::Broadcast { .. } => {
                    offsets.data + 8
                }
            };
            prop_assert_eq!(first_payload % shape.align_bytes(), 0);
            if let Some(slots) = shape.slots() {
                prop_assert_eq!(slots * shape.slot_bytes().unwrap(), data_bytes);
            }
        }
        prop_assert!(end <= map.total_bytes && map.total_bytes < end + 4096);
        let found = Header::decode(&page(&geometry), map.total_bytes);
        prop_assert_eq!(found, Ok(header(&geometry)));
    }

    /// Catches arithmetic that overflows on a header that someone forged, and a shape
    /// that gets through unchecked.
    #[test]
    fn a_forged_header_of_any_shape_is_refused_or_sound(
        shape in shape(),
        kind in 0_u64..10,
        fields in proptest::collection::vec((prop_oneof![3_usize..12, ENTRY..ENTRY + 12], prop_oneof![any::<u64>(), 0_u64..300]), 0..4),
    ) {
        let geometry = one(2, 2, shape);
        if geometry.check().is_err() {
            return Ok(());
        }
        let mut page = page(&geometry);
        for (index, value) in fields {
            set_word(&mut page, index, value);
        }
        if kind < 8 {
            set_word(&mut page, ENTRY, kind);
        }
        sign(&mut page);
        let file_bytes = word_of(&page, 3);
        if let Ok(header) = Header::decode(&page, file_bytes) {
            prop_assert_eq!(header.geometry.check(), Ok(()));
            prop_assert_eq!(header.geometry.map().total_bytes, file_bytes);
            prop_assert_eq!(header.encode(), page, "two headers of one segment");
        }
    }
}
