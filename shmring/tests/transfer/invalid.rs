//! Bytes of a peer that are no value of the type: an error of every verb, and never a value.

#![allow(unsafe_code)]

use std::fmt::Debug;

use shmring::{
    Config, Corrupt, Element, Fault, RecvTimeoutError, Segment, TryRecvError, TypeName, values,
};

use crate::common::{Name, SHORT, SLOT_KINDS};
use crate::derived::{Side, TRADE, Trade};

/// A type that poses as another one, and of which any bytes are a value: what a hostile peer
/// writes with.
macro_rules! posing {
    ($name:ident as $type:ty, $bytes:literal bytes aligned to $align:literal) => {
        #[derive(Clone, Copy)]
        #[repr(C, align($align))]
        struct $name([u8; $bytes]);

        // SAFETY: bytes, as many as its alignment divides.
        unsafe impl Element for $name {
            const NAME: TypeName = <$type>::NAME;
            const TYPE_ID: u64 = <$type>::TYPE_ID;
            const ALWAYS_VALID: bool = true;

            fn is_valid(bytes: &[u8]) -> bool {
                bytes.len() == size_of::<Self>()
            }
        }
    };
}

posing!(RawBool as bool, 1 bytes aligned to 1);
posing!(RawChar as char, 4 bytes aligned to 4);
posing!(RawSide as Side, 2 bytes aligned to 2);
posing!(RawFlags as [bool; 3], 3 bytes aligned to 1);
posing!(RawTrade as Trade, 24 bytes aligned to 8);
posing!(RawTrades as [Trade; 2], 48 bytes aligned to 8);

fn raw_trade() -> [u8; 24] {
    // SAFETY: a trade has no padding.
    unsafe { std::mem::transmute(TRADE) }
}

/// Checks each verb with a value, its bytes, and bytes that are none.
struct Case<T, R> {
    value: T,
    good: R,
    bad: R,
}

/// The same for each type of which some bytes are no value.
macro_rules! for_each_case {
    ($check:ident) => {
        $check(&Case { value: true, good: RawBool([1]), bad: RawBool([2]) });
        $check(&Case {
            value: 'x',
            good: RawChar(u32::from('x').to_ne_bytes()),
            bad: RawChar(0xD800_u32.to_ne_bytes()),
        });
        $check(&Case {
            value: Side::Sell,
            good: RawSide(300_u16.to_ne_bytes()),
            bad: RawSide([0, 0]),
        });
        $check(&Case {
            value: [true, false, true],
            good: RawFlags([1, 0, 1]),
            bad: RawFlags([1, 0, 255]),
        });
        let good = raw_trade();
        // The currency, the side, a step, and whether it is one's own.
        for (offset, byte) in [(15, 0xFF), (17, 0xFF), (20, 0), (21, 2)] {
            let mut bad = good;
            bad[offset] = byte;
            $check(&Case { value: TRADE, good: RawTrade(good), bad: RawTrade(bad) });
            let two = |first: [u8; 24], second: [u8; 24]| {
                RawTrades([first, second].concat().try_into().unwrap())
            };
            $check(&Case { value: [TRADE; 2], good: two(good, good), bad: two(good, bad) });
        }
    };
}

fn assert_corrupt<T: Debug>(result: Result<T, Corrupt>, position: u64) {
    let corrupt = result.expect_err("taken for a value");
    assert_eq!((corrupt.what, corrupt.position), ("the value of an element", position));
}

fn failed<T: Debug>(result: Result<T, RecvTimeoutError>, position: u64) {
    match result {
        Err(RecvTimeoutError::Failed(Fault::Corrupt(corrupt))) => {
            assert_corrupt::<()>(Err(corrupt), position)
        }
        other => panic!("not corrupt: {other:?}"),
    }
}

fn try_failed<T: Debug>(result: Result<T, TryRecvError>, position: u64) {
    failed(result.map_err(RecvTimeoutError::from), position);
}

/// A verb that takes one element, and one that takes up to three.
type One<C, T> = fn(&mut C) -> Result<T, RecvTimeoutError>;
type Some<C, T> = fn(&mut C, &mut [T; 3]) -> Result<usize, RecvTimeoutError>;

/// A ring of `T` that holds a value and then what is none, and a consumer of it.
fn receive<T, R, C>(
    case: &Case<T, R>,
    fill: impl Fn(&Name, &[R]) -> C,
    ones: &[One<C, T>],
    some: &[Some<C, T>],
) where
    T: Element + PartialEq + Debug,
    R: Element,
{
    let Case { value, good, bad } = case;
    for one in ones {
        let name = Name::new();
        let mut rx = fill(&name, &[*good, *bad, *good]);
        assert_eq!(one(&mut rx), Ok(*value));
        failed(one(&mut rx), 1);
        // It stays so, whichever verb comes next.
        for again in ones {
            failed(again(&mut rx), 1);
        }
    }
    for some in some {
        let name = Name::new();
        let mut rx = fill(&name, &[*good, *bad, *good]);
        let mut values = [*value; 3];
        assert_eq!(some(&mut rx, &mut values), Ok(1), "what is before it is received");
        failed(some(&mut rx, &mut values), 1);
        assert_eq!(values, [*value; 3], "written to");
        failed(some(&mut rx, &mut values), 1);
    }
}

fn check_packed<T: Element + PartialEq + Debug, R: Element>(case: &Case<T, R>) {
    let fill = |name: &Name, elements: &[R]| {
        let segment = name.create(&Config::packed::<T>().slots(4));
        let rx = segment.value_consumer::<T>().unwrap();
        let peer = Segment::attach(name).unwrap();
        peer.value_producer::<R>().unwrap().send_slice(elements).unwrap();
        rx
    };
    type Rx<T> = values::Consumer<T>;
    receive::<T, R, Rx<T>>(
        case,
        fill,
        &[
            |rx| Ok(rx.recv()?),
            |rx| Ok(rx.try_recv()?),
            |rx| rx.recv_timeout(SHORT),
            |rx| Ok(rx.iter().next().unwrap()?),
            |rx| Ok(rx.try_recv()?),
        ],
        &[
            |rx, values| Ok(rx.recv_slice(values)?),
            |rx, values| Ok(rx.try_recv_slice(values)?),
            |rx, values| rx.recv_slice_timeout(values, SHORT),
        ],
    );
    let Case { value, good, bad } = case;
    let name = Name::new();
    let mut rx = fill(&name, &[*good, *bad, *good]);
    for _ in 0..2 {
        let ahead = rx.peek(9).unwrap();
        let mut values = [*value; 3];
        assert_eq!(ahead.get(0), Ok(Some(*value)));
        assert_corrupt(ahead.get(1), 1);
        assert_eq!(ahead.get(2), Ok(Some(*value)));
        assert_eq!(ahead.get(3), Ok(None));
        assert_corrupt(ahead.to_vec(), 1);
        assert_eq!(ahead.read_at(0, &mut values), Ok(1));
        assert_corrupt(ahead.read_at(1, &mut values), 1);
        assert_eq!(ahead.read_at(2, &mut values), Ok(1));
        // SAFETY: no peer writes meanwhile.
        assert_corrupt(unsafe { ahead.as_slices() }, 1);
    }
    rx.try_peek(1).unwrap().release();
    // In place nothing is lost, and an invalid value can be passed over.
    assert_corrupt(rx.peek_timeout(1, SHORT).unwrap().get(0), 1);
    rx.peek(1).unwrap().release();
    assert_eq!(rx.recv(), Ok(*value));
}

/// Catches a value that is made of bytes that are none, which is undefined behaviour, by any verb
/// of a packed ring.
#[test]
fn a_packed_ring_gives_no_value_that_is_none() {
    for_each_case!(check_packed);
}

fn check_slots<T: Element + PartialEq + Debug, R: Element>(case: &Case<T, R>) {
    type Rx<T> = values::Consumer<T>;
    for kind in SLOT_KINDS {
        let fill = |name: &Name, elements: &[R]| {
            let segment = name.create(&Config::new(kind).slots(4).values::<T>());
            let rx = segment.value_consumer::<T>().unwrap();
            let peer = Segment::attach(name).unwrap();
            peer.value_producer::<R>().unwrap().send_slice(elements).unwrap();
            rx
        };
        receive::<T, R, Rx<T>>(
            case,
            fill,
            &[
                |rx| Ok(rx.recv()?),
                |rx| Ok(rx.try_recv()?),
                |rx| rx.recv_timeout(SHORT),
                |rx| Ok(rx.iter().next().unwrap()?),
            ],
            &[
                |rx, values| Ok(rx.recv_slice(values)?),
                |rx, values| Ok(rx.try_recv_slice(values)?),
                |rx, values| rx.recv_slice_timeout(values, SHORT),
            ],
        );
    }
}

/// Catches the same of a slot ring, where a batch looks ahead.
#[test]
fn a_slot_ring_gives_no_value_that_is_none() {
    for_each_case!(check_slots);
}

/// Catches space that was never written and is taken for values: a ring starts with zeros, which
/// are no `Side`.
#[test]
fn unwritten_elements_need_not_be_values() {
    let name = Name::new();
    let segment = name.create(&Config::packed::<Side>().slots(4));
    let mut tx = segment.value_producer::<Side>().unwrap();
    let mut rx = segment.value_consumer::<Side>().unwrap();
    let mut space = tx.reserve(1).unwrap();
    // SAFETY: the consumer finds that it is no value.
    unsafe { space.assume_written(1) };
    space.commit();
    try_failed(rx.try_recv(), 0);
}
