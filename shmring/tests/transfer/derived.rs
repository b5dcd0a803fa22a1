//! Types that derive `Element`: which id, name and check each has.

use std::fmt::Debug;

use shmring::{Config, Element, JoinError, Segment};

use crate::common::Name;

#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(u16)]
pub(crate) enum Side {
    Buy = 1,
    Sell = 300,
}

#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(i8)]
pub(crate) enum Step {
    Down = -1,
    Up = 1,
}

#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(transparent)]
pub(crate) struct Price(f64);

/// Everything that a field can be.
#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(C)]
pub(crate) struct Trade {
    pub(crate) price: Price,
    pub(crate) size: u32,
    pub(crate) currency: char,
    pub(crate) side: Side,
    pub(crate) steps: [Step; 3],
    pub(crate) own: bool,
    pub(crate) r#type: [u8; 2],
}

pub(crate) const TRADE: Trade = Trade {
    price: Price(1.5),
    size: 7,
    currency: '\u{20AC}',
    side: Side::Sell,
    steps: [Step::Down, Step::Up, Step::Down],
    own: true,
    r#type: *b"xy",
};

#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(C, packed)]
struct Tight(u8, u32);

#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(C, align(16))]
struct Wide {
    words: [u64; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(C)]
struct Pair<T: Copy, const COUNT: usize> {
    first: T,
    rest: [T; COUNT],
}

fn goes_through<T: Element + PartialEq + Debug>(value: T, name: &str) {
    assert_eq!(T::NAME.to_string(), name);
    let ring = Name::new();
    let segment = ring.create(&Config::packed::<T>().slots(4));
    let mut tx = segment.value_producer::<T>().unwrap();
    let mut rx = Segment::attach(&ring).unwrap().value_consumer::<T>().unwrap();
    let slots = Name::new();
    let segment = slots.create(&Config::mpmc().slots(4).values::<T>());
    let mut slot_tx = segment.value_producer::<T>().unwrap();
    let mut slot_rx = Segment::attach(&slots).unwrap().value_consumer::<T>().unwrap();
    for _ in 0..9 {
        tx.send(&value).unwrap();
        assert_eq!(rx.recv(), Ok(value));
        tx.send_slice(&[value, value]).unwrap();
        let ahead = rx.peek(9).unwrap();
        assert_eq!(ahead.to_vec(), Ok(vec![value, value]));
        assert_eq!(ahead.get(1), Ok(Some(value)));
        // SAFETY: this process wrote the elements, and writes no more before the slices are gone.
        #[allow(unsafe_code)]
        let (one, two) = unsafe { ahead.as_slices() }.unwrap();
        assert_eq!([one, two].concat(), [value, value]);
        ahead.release();
        slot_tx.send_slice(&[value, value]).unwrap();
        let mut received = [value; 1];
        assert_eq!((slot_rx.recv_slice(&mut received), received), (Ok(1), [value]));
        assert_eq!(slot_rx.recv(), Ok(value));
    }
}

/// Catches a value that is refused although it is one, and one that changes on the way.
#[test]
fn values_of_every_shape_go_through() {
    goes_through(true, "bool");
    goes_through('\u{10FFFF}', "char");
    goes_through(Side::Buy, "Side");
    goes_through(Step::Down, "Step");
    goes_through(Price(-0.5), "Price");
    goes_through(TRADE, "Trade");
    goes_through([TRADE; 3], "[Trade; 3]");
    goes_through([[false, true]; 2], "[[bool; 2]; 2]");
    goes_through(Tight(1, 2), "Tight");
    goes_through(Wide { words: [1, 2, 3, 4] }, "Wide");
    goes_through(Pair { first: 1_u16, rest: [2; 3] }, "Pair<u16, 3>");
    goes_through(Pair { first: Side::Buy, rest: [Side::Sell] }, "Pair<Side, 1>");
}

/// Catches a check of what needs none, which would cost something for each element, and one that
/// is left out because some part of a type needs none.
#[test]
fn only_what_can_be_invalid_is_checked() {
    let plain = [
        <[u64; 3]>::ALWAYS_VALID,
        Price::ALWAYS_VALID,
        Wide::ALWAYS_VALID,
        Pair::<f32, 2>::ALWAYS_VALID,
    ];
    assert_eq!(plain, [true; 4]);
    let checked = [
        bool::ALWAYS_VALID,
        char::ALWAYS_VALID,
        Side::ALWAYS_VALID,
        Trade::ALWAYS_VALID,
        <[Trade; 2]>::ALWAYS_VALID,
        Pair::<bool, 2>::ALWAYS_VALID,
    ];
    assert_eq!(checked, [false; 6]);
}

/// Catches bytes that are taken for a value: too few, too many, or of none.
#[test]
fn bytes_are_values_or_not() {
    for byte in 0..=u8::MAX {
        assert_eq!(bool::is_valid(&[byte]), byte < 2);
        assert_eq!(Step::is_valid(&[byte]), byte == 1 || byte == 255);
    }
    for number in [0, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0x10FFFF, 0x11_0000, u32::MAX] {
        assert_eq!(char::is_valid(&number.to_ne_bytes()), char::from_u32(number).is_some());
    }
    for number in 0..=u16::MAX {
        assert_eq!(Side::is_valid(&number.to_ne_bytes()), number == 1 || number == 300);
    }
    assert!(!bool::is_valid(&[]) && !bool::is_valid(&[0, 0]) && !Side::is_valid(&[1]));
    assert!(u64::is_valid(&[9; 8]) && !u64::is_valid(&[9; 7]) && !Wide::is_valid(&[9; 33]));
    assert!(<[bool; 2]>::is_valid(&[0, 1]) && !<[bool; 2]>::is_valid(&[0, 2]));
    assert!(!<[bool; 2]>::is_valid(&[0]) && !<[bool; 2]>::is_valid(&[0; 3]));
    assert!(<[bool; 0]>::is_valid(&[]));
}

/// Names of types as other programs may declare them.
mod other {
    use shmring::Element;

    macro_rules! declare {
        ($($module:ident: $declaration:item)*) => {$(
            pub(super) mod $module {
                use super::Element;
                #[derive(Clone, Copy, Element)]
                #[allow(dead_code)]
                $declaration
            }
        )*};
    }

    declare! {
        base: #[repr(C)] pub(crate) struct Pixel { pub(crate) x: u32, pub(crate) y: u32 }
        same: #[repr(C)] pub(crate) struct Pixel { pub(crate) x: u32, pub(crate) y: u32 }
        renamed: #[repr(C)] pub(crate) struct Point { pub(crate) x: u32, pub(crate) y: u32 }
        swapped: #[repr(C)] pub(crate) struct Pixel { pub(crate) y: u32, pub(crate) x: u32 }
        signed: #[repr(C)] pub(crate) struct Pixel { pub(crate) x: u32, pub(crate) y: i32 }
        joined: #[repr(C)] pub(crate) struct Pixel { pub(crate) xy: [u32; 2] }
        wider: #[repr(C, align(8))] pub(crate) struct Pixel { pub(crate) x: u32, pub(crate) y: u32 }
        tuple: #[repr(C)] pub(crate) struct Pixel(pub(crate) u32, pub(crate) u32);
    }

    declare! {
        state: #[repr(u8)] pub(crate) enum State { On, Off }
        state_more: #[repr(u8)] pub(crate) enum State { On, Off, Broken }
        state_other: #[repr(u8)] pub(crate) enum State { On = 1, Off = 0 }
        state_signed: #[repr(i8)] pub(crate) enum State { On, Off }
    }
}

/// Catches types that are taken for each other although their declarations differ, and one that
/// is refused although both are alike.
#[test]
fn the_id_is_that_of_name_and_layout() {
    use other::{
        base, joined, renamed, same, signed, state, state_more, state_other, state_signed, swapped,
        tuple, wider,
    };
    assert_eq!(base::Pixel::TYPE_ID, same::Pixel::TYPE_ID);
    let ids = [
        base::Pixel::TYPE_ID,
        renamed::Point::TYPE_ID,
        swapped::Pixel::TYPE_ID,
        signed::Pixel::TYPE_ID,
        joined::Pixel::TYPE_ID,
        wider::Pixel::TYPE_ID,
        tuple::Pixel::TYPE_ID,
        state::State::TYPE_ID,
        state_more::State::TYPE_ID,
        state_other::State::TYPE_ID,
        state_signed::State::TYPE_ID,
        Pair::<u8, 2>::TYPE_ID,
        Pair::<i8, 2>::TYPE_ID,
        Pair::<u8, 3>::TYPE_ID,
        <[base::Pixel; 2]>::TYPE_ID,
        bool::TYPE_ID,
        char::TYPE_ID,
        u8::TYPE_ID,
        u32::TYPE_ID,
    ];
    for (index, id) in ids.iter().enumerate() {
        assert!(!ids[..index].contains(id), "the one of index {index} comes twice");
    }
}

/// Catches an id that changes with the compiler or with this crate: programs that were built
/// before would be refused. `docs/format.md` says how each is computed.
#[test]
fn ids_stay_as_they_are() {
    let fnv = |parts: &[&[u8]]| {
        let bytes = parts.concat();
        bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        })
    };
    let number = |number: u64| number.to_le_bytes().to_vec();
    let text = |text: &str| [&number(text.len() as u64)[..], text.as_bytes()].concat();
    assert_eq!((bool::TYPE_ID, char::TYPE_ID, u8::TYPE_ID), (0x401, 0x504, 0x101));
    let array = fnv(&[&text("array"), &number(0x401), &number(3)]);
    assert_eq!(<[bool; 3]>::TYPE_ID, array);
    let price = fnv(&[
        &text("struct"),
        &text("Price"),
        &number(8),
        &number(8),
        &text("0"),
        &number(0),
        &number(0x308),
    ]);
    assert_eq!(Price::TYPE_ID, price);
    let step = fnv(&[
        &text("enum"),
        &text("Step"),
        &number(0x201),
        &text("Down"),
        &number(u64::MAX),
        &text("Up"),
        &number(1),
    ]);
    assert_eq!(Step::TYPE_ID, step);
}

/// Catches a mismatch that does not name both types, to another program that attaches.
#[test]
fn a_mismatch_names_both_types() {
    let refusal = |error: Option<JoinError>| match error {
        Some(error @ JoinError::WrongType(_)) => error.to_string(),
        other => panic!("not the wrong type: {other:?}"),
    };
    let packed = Name::new();
    packed.create(&Config::packed::<Trade>().slots(4));
    let segment = Segment::attach(&packed).unwrap();
    let words = refusal(segment.value_consumer::<[Side; 3]>().err());
    assert!(words.starts_with("the ring holds `Trade` (24 bytes aligned"), "{words}");
    assert!(words.contains(", not `[Side; 3]` (6 bytes aligned to 2, type id 0x"), "{words}");
    assert!(words.ends_with("use a handle for that type, or create the ring for the other"));

    let slots = Name::new();
    slots.create(&Config::mpsc().slots(4).values::<other::base::Pixel>());
    let segment = Segment::attach(&slots).unwrap();
    assert!(segment.value_consumer::<other::same::Pixel>().is_ok());
    let words = refusal(segment.value_producer::<other::swapped::Pixel>().err());
    assert_eq!(words.matches("`Pixel` (8 bytes aligned to 4").count(), 2, "{words}");
    assert!(words.ends_with("compare its fields"), "{words}");
    let words = refusal(segment.producer().err());
    assert!(words.contains("the ring holds `Pixel`") && words.contains("not bytes"), "{words}");
}
