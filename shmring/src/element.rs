//! Types that rings hold as they are.

use bytemuck::Pod;

use crate::facts::ElementType;

/// A type whose values can be sent as they lie in memory.
///
/// [`Pod`] promises that any bytes are a value and that none of them are padding. It
/// is implemented for the numbers and their arrays, and derived for `repr(C)` structs
/// of them.
///
/// ```
/// use shmring::bytemuck::{Pod, Zeroable};
///
/// #[derive(Clone, Copy, Pod, Zeroable)]
/// #[bytemuck(crate = "shmring::bytemuck")]
/// #[repr(C)]
/// struct Tick {
///     time_ns: u64,
///     price: f64,
/// }
///
/// impl shmring::Element for Tick {
///     const TYPE_ID: u64 = 0x7469_636B_0001;
/// }
/// ```
pub trait Element: Pod {
    /// Names the type to every program that shares a ring of it. It is compared with
    /// that of the segment whenever a handle is made, so a change of meaning that leaves
    /// size and alignment as they are should change it.
    const TYPE_ID: u64;

    /// What a segment records of the type.
    const TYPE: ElementType = ElementType {
        size_bytes: size_of::<Self>() as u64,
        align_bytes: align_of::<Self>() as u64,
        type_id: Self::TYPE_ID,
    };
}

/// Numbers name themselves: signed, unsigned or float, and how many bits.
macro_rules! numbers {
    ($($family:literal: $($number:ty),*;)*) => {
        $($(impl Element for $number {
            const TYPE_ID: u64 = $family << 8 | size_of::<Self>() as u64;
        })*)*
    };
}

numbers! {
    1: u8, u16, u32, u64, u128;
    2: i8, i16, i32, i64, i128;
    3: f32, f64;
}

impl<T: Element, const COUNT: usize> Element for [T; COUNT]
where
    [T; COUNT]: Pod,
{
    const TYPE_ID: u64 = T::TYPE_ID.rotate_left(16) ^ COUNT as u64;
}
