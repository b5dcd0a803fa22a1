//! Types whose values a ring holds as they lie in memory.

#![allow(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "computed at compile time, from names and layouts"
)]

use std::mem::MaybeUninit;
use std::slice;

use crate::info::{ElementType, TypeName};
use crate::ring::Corrupt;

/// Derives [`Element`](trait@Element) for a struct or for an enum without fields.
///
/// - A struct needs `#[repr(C)]` or `#[repr(transparent)]`, as two compilers may lay out any other
///   one differently. Each field is an element, and no padding lies between, before or behind
///   them.
/// - An enum needs an integer representation, `#[repr(u8)]` to `#[repr(i64)]`.
///
/// The type may have type parameters, each of which is an element then, and constants.
///
/// Padding is an error that names the field:
///
/// ```compile_fail
/// #[derive(Clone, Copy, shmring::Element)]
/// #[repr(C)]
/// struct Trade {
///     size: u32,
///     price: f64, // `Trade` has padding before its field `price`
/// }
/// ```
///
/// Behind the last field as well, and where a nested struct, an array or an argument brings it:
///
/// ```compile_fail
/// #[derive(Clone, Copy, shmring::Element)]
/// #[repr(C)]
/// struct Trade {
///     price: f64,
///     size: u32, // `Trade` has padding after its field `size`
/// }
/// ```
///
/// ```compile_fail
/// # use shmring::Config;
/// #[derive(Clone, Copy, shmring::Element)]
/// #[repr(C)]
/// struct Pair<A: Copy, B: Copy>(A, B);
///
/// let _ = Config::packed::<Pair<u8, u16>>(); // `Pair` has padding before its field `1`
/// ```
pub use shmring_derive::Element;

/// A type whose values a ring holds as they lie in memory.
///
/// Numbers except `usize` and `isize`, `bool`, `char` and arrays are elements.
/// [`#[derive(Element)]`](derive@Element) makes structs of elements and enums without fields to
/// elements:
///
/// ```
/// use shmring::Element;
///
/// #[derive(Clone, Copy, Element)]
/// #[repr(u32)]
/// enum Side {
///     Buy,
///     Sell,
/// }
///
/// #[derive(Clone, Copy, Element)]
/// #[repr(C)]
/// struct Trade {
///     price: f64,
///     size: u32,
///     side: Side,
///     venue: [u8; 8],
/// }
/// assert_eq!(Trade::NAME.as_str(), "Trade");
/// assert_eq!(<[Trade; 2]>::NAME.as_str(), "[Trade; 2]");
/// ```
///
/// # The type's id
/// A segment records size, alignment and id of its element type. A handle for another type is
/// refused with an error that names both types. The derive computes the id from
///
/// - a struct's name, size and alignment, and each field's name, offset and id;
/// - an enum's name, its integer type, and each variant's name and value.
///
/// So two programs share a ring if both declare the type alike, in whatever module or crate.
/// Whoever renames, moves, adds or removes a field or a variant, at any depth, makes another type.
/// A change of meaning that leaves all names as they are should change one of them.
///
/// # Bytes that are no value
/// A peer may write any bytes. A receiver copies the bytes of an element to memory of its own,
/// and checks the copy before it makes a value of it. If the bytes are none, as with 2 for a
/// `bool` or 7 for an enum of three variants, the verb returns [`Corrupt`], as it does for every
/// other damage. Types that any bytes are a value of, such as numbers and structs of numbers, have
/// [`ALWAYS_VALID`](Self::ALWAYS_VALID) set, and are not checked.
///
/// # Padding
/// Padding is refused rather than zeroed. Its bytes are not initialised, so that sending them as
/// they are would be undefined behaviour and would show a peer what lay in memory before. Zeroing
/// them takes a copy field by field for each send. Order the fields from the largest alignment to
/// the smallest, or fill a gap with a field such as `reserved: [u8; 4]`.
///
/// # Safety
/// An implementation by hand promises that
///
/// - a value has no byte that is not initialised: no padding, and no pointer or reference;
/// - if `ALWAYS_VALID`, any bytes are a value of the type;
/// - else any bytes for which [`is_valid`](Self::is_valid) returns `true` are a value of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an element: a ring cannot hold it as it lies in memory",
    label = "not an element",
    note = "numbers except `usize` and `isize`, `bool`, `char` and arrays of elements are elements",
    note = "a struct of elements and an enum without fields become one with `#[derive(Element)]`"
)]
pub unsafe trait Element: Copy + Send + 'static {
    /// The name of the type, for people.
    const NAME: TypeName;

    /// Names the type, with its layout, to every program that shares a ring of it.
    const TYPE_ID: u64;

    /// Whether any bytes are a value of the type.
    const ALWAYS_VALID: bool;

    /// Returns `true` if `bytes` are a value of the type: as many as it has, and such as it can
    /// have.
    fn is_valid(bytes: &[u8]) -> bool;

    /// What a segment records of the type.
    const TYPE: ElementType = ElementType {
        size_bytes: size_of::<Self>() as u64,
        align_bytes: align_of::<Self>() as u64,
        type_id: Self::TYPE_ID,
        name: Self::NAME,
    };
}

/// The id of a number: signed, unsigned or float, and how many bytes.
const fn number_id(family: u64, size: usize) -> u64 {
    family << 8 | size as u64
}

macro_rules! numbers {
    ($($family:literal: $($number:ty),*;)*) => {
        $($(
            // SAFETY: a number has no padding, and any bytes are one.
            unsafe impl Element for $number {
                const NAME: TypeName = TypeName::new(stringify!($number));
                const TYPE_ID: u64 = number_id($family, size_of::<$number>());
                const ALWAYS_VALID: bool = true;

                #[inline]
                fn is_valid(bytes: &[u8]) -> bool {
                    bytes.len() == size_of::<$number>()
                }
            }
        )*)*
    };
}

numbers! {
    1: u8, u16, u32, u64, u128;
    2: i8, i16, i32, i64, i128;
    3: f32, f64;
}

// SAFETY: one byte, of which 0 and 1 are values.
unsafe impl Element for bool {
    const NAME: TypeName = TypeName::new("bool");
    const TYPE_ID: u64 = number_id(4, size_of::<bool>());
    const ALWAYS_VALID: bool = false;

    #[inline]
    fn is_valid(bytes: &[u8]) -> bool {
        matches!(bytes, [0 | 1])
    }
}

// SAFETY: laid out as a u32, whose values are the scalar values of Unicode.
unsafe impl Element for char {
    const NAME: TypeName = TypeName::new("char");
    const TYPE_ID: u64 = number_id(5, size_of::<char>());
    const ALWAYS_VALID: bool = false;

    #[inline]
    fn is_valid(bytes: &[u8]) -> bool {
        let number = bytes.try_into().map(u32::from_ne_bytes);
        number.is_ok_and(|number| char::from_u32(number).is_some())
    }
}

// SAFETY: one value after the other, with nothing between them.
unsafe impl<T: Element, const COUNT: usize> Element for [T; COUNT] {
    const NAME: TypeName = TypeName::new("[")
        .followed_by(T::NAME.as_str())
        .followed_by("; ")
        .followed_by_number(COUNT as u64)
        .followed_by("]");
    const TYPE_ID: u64 = Id::of("array").number(T::TYPE_ID).number(COUNT as u64).finish();
    const ALWAYS_VALID: bool = T::ALWAYS_VALID;

    #[inline]
    fn is_valid(bytes: &[u8]) -> bool {
        bytes.len() == size_of::<Self>()
            && (T::ALWAYS_VALID || bytes.chunks_exact(size_of::<T>().max(1)).all(T::is_valid))
    }
}

/// Computes the id of a type: FNV-1a of 64 bits over texts and numbers. A text is its length in
/// bytes, as a number, and its bytes; a number is its eight bytes, the lowest first.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Id(u64);

impl Id {
    const OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01B3;

    pub const fn of(what: &str) -> Self {
        Self(Self::OFFSET).text(what)
    }

    pub const fn text(self, text: &str) -> Self {
        self.number(text.len() as u64).bytes(text.as_bytes())
    }

    pub const fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    const fn bytes(self, bytes: &[u8]) -> Self {
        let mut hash = self.0;
        let mut index = 0;
        while index < bytes.len() {
            hash = (hash ^ bytes[index] as u64).wrapping_mul(Self::PRIME);
            index += 1;
        }
        Self(hash)
    }

    pub const fn finish(self) -> u64 {
        self.0
    }
}

/// Returns `true` if the bytes from `offset` on are a value of a field.
#[doc(hidden)]
#[inline]
pub fn field_is_valid<T: Element>(bytes: &[u8], offset: usize) -> bool {
    let field = bytes.get(offset..).and_then(|bytes| bytes.get(..size_of::<T>()));
    field.is_some_and(T::is_valid)
}

/// The bytes of elements.
#[inline(always)]
pub(crate) fn bytes_of<T: Element>(elements: &[T]) -> &[u8] {
    // SAFETY: as many bytes as the elements have, all of which are initialised, as `Element`
    // demands, and which nobody changes while the elements are borrowed.
    unsafe { slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) }
}

/// Memory of this process for an element: zeros at first, then bytes that a peer wrote.
///
/// All its bytes are always initialised; they need not be a value.
#[repr(transparent)]
pub(crate) struct Unchecked<T>(MaybeUninit<T>);

impl<T: Element> Unchecked<T> {
    #[inline(always)]
    pub(crate) fn zeroed() -> Self {
        Self(MaybeUninit::zeroed())
    }

    /// The memory of elements, if whatever is written to it is a value.
    #[inline(always)]
    pub(crate) fn of(elements: &mut [T]) -> Option<&mut [Self]> {
        if !T::ALWAYS_VALID {
            return None;
        }
        let first: *mut Self = elements.as_mut_ptr().cast();
        // SAFETY: an element has the layout of an unchecked one and no byte that is not
        // initialised; any bytes are a value.
        Some(unsafe { slice::from_raw_parts_mut(first, elements.len()) })
    }

    #[inline(always)]
    pub(crate) fn bytes_mut(elements: &mut [Self]) -> &mut [u8] {
        let len = size_of_val(elements);
        // SAFETY: all bytes are initialised, and stay so.
        unsafe { slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), len) }
    }

    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        // SAFETY: all bytes are initialised.
        unsafe { slice::from_raw_parts(self.0.as_ptr().cast(), size_of::<T>()) }
    }

    /// The value, read at `position`.
    ///
    /// # Errors
    /// [`Corrupt`] if the bytes are none.
    #[inline(always)]
    pub(crate) fn check(self, position: u64) -> Result<T, Corrupt> {
        if T::ALWAYS_VALID || T::is_valid(self.bytes()) {
            // SAFETY: all bytes are initialised and, by `Element`, a value: any are, or these.
            return Ok(unsafe { self.0.assume_init() });
        }
        Err(corrupt(position, self.bytes()))
    }
}

/// `found` are the first bytes of the element, at most eight, in memory order.
#[cold]
pub(crate) fn corrupt(position: u64, bytes: &[u8]) -> Corrupt {
    let mut found = [0; 8];
    for (to, byte) in found.iter_mut().zip(bytes) {
        *to = *byte;
    }
    let found = u64::from_ne_bytes(found);
    Corrupt { what: "the value of an element", position, found }
}
