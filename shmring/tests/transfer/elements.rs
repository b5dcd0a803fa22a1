//! Types of elements that the tests send.

use bytemuck::{Pod, Zeroable};
use shmring::Element;

/// A struct with a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Tick {
    pub(crate) time_ns: u64,
    pub(crate) price: f64,
    pub(crate) volume: u32,
    pub(crate) flags: [u16; 2],
}

impl Element for Tick {
    const TYPE_ID: u64 = 0x7469_636B_0001;
}

/// As large and as aligned as a `Tick`, and something else.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Quote(pub(crate) [u64; 3]);

impl Element for Quote {
    const TYPE_ID: u64 = 0x7469_636B_0002;
}

/// The name of a `Tick`, in another size.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct LongTick(pub(crate) [u64; 4]);

impl Element for LongTick {
    const TYPE_ID: u64 = Tick::TYPE_ID;
}

/// The name and the size of a `Tick`, aligned to less.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct LooseTick(pub(crate) [u32; 6]);

impl Element for LooseTick {
    const TYPE_ID: u64 = Tick::TYPE_ID;
}

/// Of an odd size.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Rgb(pub(crate) [u8; 3]);

impl Element for Rgb {
    const TYPE_ID: u64 = 0x0052_4742;
}

/// The element of that number: its bytes tell it from its neighbours.
pub(crate) fn element<T: Element>(number: u64) -> T {
    let mut element = T::zeroed();
    let bytes = crate::common::payload(number, size_of::<T>());
    bytemuck::bytes_of_mut(&mut element).copy_from_slice(&bytes);
    element
}

/// So many elements from a number on.
pub(crate) fn elements<T: Element>(from: u64, count: usize) -> Vec<T> {
    (from..).take(count).map(element).collect()
}

/// Whether two are the same, bit for bit.
pub(crate) fn same<T: Element>(a: &[T], b: &[T]) -> bool {
    bytemuck::cast_slice::<T, u8>(a) == bytemuck::cast_slice::<T, u8>(b)
}
