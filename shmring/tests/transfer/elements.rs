//! Types of elements that the tests send.

use bytemuck::{Pod, Zeroable};
use shmring::{Element, TypeName};

/// A struct with a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable, Element)]
#[repr(C)]
pub(crate) struct Tick {
    pub(crate) time_ns: u64,
    pub(crate) price: f64,
    pub(crate) volume: u32,
    pub(crate) flags: [u16; 2],
}

/// As large and as aligned as a `Tick`, and something else.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable, Element)]
#[repr(C)]
pub(crate) struct Quote(pub(crate) [u64; 3]);

/// Name and id of a `Tick`, for what is none.
macro_rules! posing_as_tick {
    ($type:ty) => {
        // SAFETY: of words of numbers only, as `Pod` says.
        #[allow(unsafe_code)]
        unsafe impl Element for $type {
            const NAME: TypeName = Tick::NAME;
            const TYPE_ID: u64 = Tick::TYPE_ID;
            const ALWAYS_VALID: bool = true;

            fn is_valid(bytes: &[u8]) -> bool {
                bytes.len() == size_of::<Self>()
            }
        }
    };
}

/// The name of a `Tick`, in another size.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct LongTick(pub(crate) [u64; 4]);

posing_as_tick!(LongTick);

/// The name and the size of a `Tick`, aligned to less.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct LooseTick(pub(crate) [u32; 6]);

posing_as_tick!(LooseTick);

/// Of an odd size.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable, Element)]
#[repr(C)]
pub(crate) struct Rgb(pub(crate) [u8; 3]);

/// The element of that number: its bytes tell it from its neighbours.
pub(crate) fn element<T: Element + Pod>(number: u64) -> T {
    let mut element = T::zeroed();
    let bytes = crate::common::payload(number, size_of::<T>());
    bytemuck::bytes_of_mut(&mut element).copy_from_slice(&bytes);
    element
}

/// So many elements from a number on.
pub(crate) fn elements<T: Element + Pod>(from: u64, count: usize) -> Vec<T> {
    (from..).take(count).map(element).collect()
}

/// Whether two are the same, bit for bit.
pub(crate) fn same<T: Element + Pod>(a: &[T], b: &[T]) -> bool {
    bytemuck::cast_slice::<T, u8>(a) == bytemuck::cast_slice::<T, u8>(b)
}
