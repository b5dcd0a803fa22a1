//! The name of an element type, in a fixed number of bytes.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "bytes of one array of constant length"
)]

use std::fmt;

/// Bytes in the longest name.
const MAX_BYTES: usize = 32;
/// The end of a truncated name. No type's name ends like that.
const CUT: &[u8] = b"..";

/// The name of an element type in its source, without the path.
///
/// A name has at most 32 bytes; a longer one is truncated and ends with `..`. Types are compared
/// not by name but by their id, which depends on the whole name; see [`Element`](crate::Element). A
/// segment's creator may have stored any text, so `Display` escapes control characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TypeName {
    /// The name, then zeros.
    bytes: [u8; MAX_BYTES],
}

impl TypeName {
    /// The unknown name, which is empty.
    pub const UNKNOWN: Self = Self { bytes: [0; MAX_BYTES] };

    /// Returns `name`, truncated to 32 bytes.
    ///
    /// # Panics
    /// If `name` holds a NUL byte.
    pub const fn new(name: &str) -> Self {
        Self::UNKNOWN.followed_by(name)
    }

    /// Returns the name with `text` appended, truncated to 32 bytes.
    ///
    /// # Panics
    /// If `text` holds a NUL byte.
    pub const fn followed_by(self, text: &str) -> Self {
        let (len, text) = (self.len(), text.as_bytes());
        if len >= CUT.len() && self.bytes[len - 2] == b'.' && self.bytes[len - 1] == b'.' {
            return self;
        }
        let whole = len + text.len();
        let mut kept = whole;
        if whole > MAX_BYTES {
            kept = MAX_BYTES - CUT.len();
            // Not within a character.
            while kept > 0 && byte_at(&self.bytes, len, text, kept) & 0xC0 == 0x80 {
                kept -= 1;
            }
        }
        let mut bytes = [0; MAX_BYTES];
        let mut index = 0;
        while index < kept {
            bytes[index] = byte_at(&self.bytes, len, text, index);
            assert!(bytes[index] != 0, "the name of a type holds no NUL byte");
            index += 1;
        }
        if kept < whole {
            bytes[kept] = CUT[0];
            bytes[kept + 1] = CUT[1];
        }
        Self { bytes }
    }

    /// Returns the name with a decimal number appended.
    pub const fn followed_by_number(self, number: u64) -> Self {
        let mut name = self;
        if number >= 10 {
            name = name.followed_by_number(number / 10);
        }
        let digit = [b'0' + (number % 10) as u8];
        match std::str::from_utf8(&digit) {
            Ok(digit) => name.followed_by(digit),
            Err(_) => name,
        }
    }

    /// Returns the name as stored; empty if unknown.
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len()).0) {
            Ok(name) => name,
            Err(_) => "",
        }
    }

    /// Returns `true` if the name is unknown.
    pub const fn is_unknown(&self) -> bool {
        self.bytes[0] == 0
    }

    const fn len(&self) -> usize {
        let mut len = 0;
        while len < MAX_BYTES && self.bytes[len] != 0 {
            len += 1;
        }
        len
    }

    /// Returns the words to store in a segment, in memory order.
    pub(crate) fn to_words(self) -> [u64; MAX_BYTES / 8] {
        let (words, _) = self.bytes.as_chunks();
        let mut stored = [0; MAX_BYTES / 8];
        for (to, word) in stored.iter_mut().zip(words) {
            *to = u64::from_ne_bytes(*word);
        }
        stored
    }

    /// Returns the name that a segment stores; `None` unless it is UTF-8 followed by zeros.
    pub(crate) fn from_words(words: [u64; MAX_BYTES / 8]) -> Option<Self> {
        let mut bytes = [0; MAX_BYTES];
        for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *to = word.to_ne_bytes();
        }
        let name = Self { bytes };
        let (text, rest) = bytes.split_at(name.len());
        let sound = std::str::from_utf8(text).is_ok() && rest.iter().all(|&byte| byte == 0);
        sound.then_some(name)
    }
}

/// Returns byte `index` of the first `len` bytes of `first` followed by `second`.
const fn byte_at(first: &[u8; MAX_BYTES], len: usize, second: &[u8], index: usize) -> u8 {
    if index < len { first[index] } else { second[index - len] }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_str().escape_debug())
    }
}

impl fmt::Debug for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::TypeName;

    /// Catches a name that is truncated at the wrong byte, or without the mark.
    #[test]
    fn long_names_are_truncated_with_a_mark() {
        let fits = "a".repeat(32);
        assert_eq!(TypeName::new(&fits).as_str(), fits);
        let long = TypeName::new(&"a".repeat(33));
        assert_eq!(long.as_str(), format!("{}..", "a".repeat(30)));
        assert_eq!(long.followed_by("b").as_str(), long.as_str());
        let umlauts = TypeName::new(&"\u{e4}".repeat(17));
        assert_eq!(umlauts.as_str(), format!("{}..", "\u{e4}".repeat(15)));
        let odd = TypeName::new(&format!("a{}", "\u{e4}".repeat(17)));
        assert_eq!(odd.as_str(), format!("a{}..", "\u{e4}".repeat(14)));
        let nearly = TypeName::new(&"a".repeat(31)).followed_by("bc");
        assert_eq!(nearly.as_str(), format!("{}..", "a".repeat(30)));
    }

    /// Catches digits that are lost or reversed.
    #[test]
    fn numbers_are_written_out() {
        for number in [0, 9, 10, 120, u64::MAX] {
            let name = TypeName::new("[u8; ").followed_by_number(number).followed_by("]");
            assert_eq!(name.to_string(), format!("[u8; {number}]"));
        }
    }

    /// Catches a name through which a peer could control a terminal.
    #[test]
    fn control_characters_are_escaped() {
        let name = TypeName::new("\x1B[2J\u{202E}`");
        assert_eq!(name.to_string(), "\\u{1b}[2J\\u{202e}`");
    }

    /// Catches a name that changes when stored and read, and words that are not a name but
    /// accepted.
    #[test]
    fn only_valid_names_are_read() {
        for text in ["", "u64", "\u{e4}", &"x".repeat(40)] {
            let name = TypeName::new(text);
            assert_eq!(TypeName::from_words(name.to_words()), Some(name));
            assert_eq!(name.is_unknown(), text.is_empty());
        }
        for bytes in [&b"a\0b"[..], b"\xFF", b"\xC3", b"\0a"] {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            assert_eq!(TypeName::from_words([u64::from_ne_bytes(word), 0, 0, 0]), None);
        }
    }
}
