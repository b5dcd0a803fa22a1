//! Bytes in hexadecimal.

use std::fmt::Write;

const BYTES_PER_LINE: usize = 16;

/// Returns the digits of all bytes, without separators.
pub(crate) fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Returns lines of an offset, 16 bytes, and their ASCII characters.
pub(crate) fn dump(bytes: &[u8]) -> String {
    let mut lines = String::new();
    for (line, chunk) in bytes.chunks(BYTES_PER_LINE).enumerate() {
        let codes: Vec<_> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = chunk.iter().map(|&byte| printable(byte)).collect();
        let offset = line * BYTES_PER_LINE;
        let width = 3 * BYTES_PER_LINE - 1;
        let _ = writeln!(lines, "  {offset:08x}  {:<width$}  |{text}|", codes.join(" "));
    }
    lines
}

fn printable(byte: u8) -> char {
    if byte == b' ' || byte.is_ascii_graphic() { byte.into() } else { '.' }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches digits that get lost, and lines that do not line up.
    #[test]
    fn bytes_in_lines() {
        assert_eq!(digits(b"\x00\x0aZ\xff"), "000a5aff");
        assert_eq!(dump(b""), "");
        assert_eq!(
            dump(b"0123456789abcdef\n\xff"),
            "  00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  |0123456789abcdef|\n\
             \x20 00000010  0a ff                                            |..|\n"
        );
    }
}
