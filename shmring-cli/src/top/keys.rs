//! Parses the bytes of a terminal into keys.

use vte::{Params, Parser, Perform};

/// A key that `top` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    /// Ctrl and this letter, in lower case.
    Ctrl(char),
    Enter,
    Esc,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
}

const ESC: u8 = 0x1b;
const DELETE: char = '\x7f';

/// Returns the keys in the bytes of one read. Skips unknown sequences, and an incomplete one at the
/// end.
pub(super) fn parse(bytes: &[u8]) -> Vec<Key> {
    let mut typed = Typed::default();
    // A new parser for each read: earlier bytes cannot swallow a key.
    Parser::new().advance(&mut typed, bytes);
    if bytes.last() == Some(&ESC) {
        typed.keys.push(Key::Esc);
    }
    typed.keys
}

/// Returns `true` if the last sequence may be incomplete: it may arrive in two pieces.
pub(super) fn is_unfinished(bytes: &[u8]) -> bool {
    let Some(start) = bytes.iter().rposition(|byte| *byte == ESC) else {
        return false;
    };
    let is_final = |byte: &u8| (b'@'..=b'~').contains(byte);
    match &bytes[start + 1..] {
        [] | [b'O'] => true,
        [b'[', rest @ ..] => !rest.iter().any(is_final),
        _ => false,
    }
}

#[derive(Default)]
struct Typed {
    keys: Vec<Key>,
    /// `true` if the next letter belongs to the `ESC O` before it: terminals send that in a mode
    /// which another program may have left them in.
    is_after_o: bool,
}

impl Typed {
    fn letter(&mut self, letter: char) {
        self.keys.extend(match letter {
            'A' => Some(Key::Up),
            'B' => Some(Key::Down),
            'C' => Some(Key::Right),
            'D' => Some(Key::Left),
            'H' => Some(Key::Home),
            'F' => Some(Key::End),
            _ => None,
        });
    }
}

impl Perform for Typed {
    fn print(&mut self, letter: char) {
        match letter {
            _ if std::mem::take(&mut self.is_after_o) => self.letter(letter),
            DELETE => self.keys.push(Key::Backspace),
            _ => self.keys.push(Key::Char(letter)),
        }
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, last: u8) {
        self.is_after_o = last == b'O';
    }

    fn execute(&mut self, byte: u8) {
        self.keys.extend(match byte {
            b'\r' | b'\n' => Some(Key::Enter),
            b'\x08' => Some(Key::Backspace),
            1..=26 => Some(Key::Ctrl(char::from(byte - 1 + b'a'))),
            _ => None,
        });
    }

    fn csi_dispatch(&mut self, params: &Params, _: &[u8], _: bool, last: char) {
        let first = params.iter().next().and_then(|param| param.first());
        match (last, first) {
            ('~', Some(1 | 7)) => self.keys.push(Key::Home),
            ('~', Some(4 | 8)) => self.keys.push(Key::End),
            ('~', Some(5)) => self.keys.push(Key::PageUp),
            ('~', Some(6)) => self.keys.push(Key::PageDown),
            _ => self.letter(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a key that is lost or taken for another, and bytes that make the parser panic.
    #[test]
    fn keys_in_bytes() {
        for (bytes, keys) in [
            (&b"q"[..], vec![Key::Char('q')]),
            (b"\r", vec![Key::Enter]),
            (b"\x1b", vec![Key::Esc]),
            (b"ab\x1b", vec![Key::Char('a'), Key::Char('b'), Key::Esc]),
            (b"\x1b[A\x1b[Bj", vec![Key::Up, Key::Down, Key::Char('j')]),
            (b"\x1bOA\x1bOF", vec![Key::Up, Key::End]),
            (b"\x1b[5~\x1b[6~\x1b[H\x1b[4~", vec![Key::PageUp, Key::PageDown, Key::Home, Key::End]),
            (b"\x03\x1a\x7f", vec![Key::Ctrl('c'), Key::Ctrl('z'), Key::Backspace]),
            ("\u{f6}".as_bytes(), vec![Key::Char('\u{f6}')]),
            (b"\x1bx", vec![]),
            (b"\x1b[200~", vec![]),
        ] {
            assert_eq!(parse(bytes), keys, "{bytes:?}");
        }
        for one in 0..=u8::MAX {
            for two in 0..=u8::MAX {
                for start in [&b""[..], b"\x1b", b"\x1b[", b"\x1b[<", b"\x1b[1;", b"\x1bO"] {
                    parse(&[start, &[one, two]].concat());
                }
            }
        }
    }

    // Catches Esc that has to be typed twice, and an arrow that came in two pieces taken for it.
    #[test]
    fn sequences_that_are_split() {
        for bytes in [&b"\x1b"[..], b"a\x1b[", b"\x1b[1;5", b"\x1bO"] {
            assert!(is_unfinished(bytes), "{bytes:?}");
        }
        for bytes in [&b"a"[..], b"", b"\x1b[A", b"\x1b[5~", b"\x1bOA", b"\x1bx"] {
            assert!(!is_unfinished(bytes), "{bytes:?}");
        }
    }
}
