//! Facts on stdout: as text for people, as JSON for programs.

pub(crate) mod aligned;
pub(crate) mod colors;
pub(crate) mod description;
pub(crate) mod hex;
pub(crate) mod progress;

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use serde::Serialize;

use crate::process::stop::{Exit, Stop};

/// The number grows when a field changes its meaning or is removed; new fields do not change it.
/// docs/cli-json.md specifies the fields.
const SCHEMA: &str = "shmring/3";

#[derive(Serialize)]
struct Versioned<'a, T> {
    schema: &'static str,
    #[serde(flatten)]
    facts: &'a T,
}

/// Prints `facts`, as JSON or as the text that `text` makes of them.
pub(crate) fn print<T: Serialize>(
    json: bool,
    facts: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<(), Stop> {
    if json {
        let line = serde_json::to_string_pretty(&Versioned { schema: SCHEMA, facts });
        let line = line.map_err(|error| Stop::new(Exit::Failed, format!("JSON: {error}")))?;
        write(&(line + "\n"))
    } else {
        write(&text(facts))
    }
}

/// Writes to stdout, without colours if they are off.
pub(crate) fn write(text: &str) -> Result<(), Stop> {
    let mut stdout = anstream::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Turns the result of a write to stdout into that of the verb.
pub(crate) fn written(result: io::Result<()>) -> Result<(), Stop> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Stop::OutputClosed),
        Err(error) => Err(Stop::new(Exit::Failed, format!("writing stdout: {error}"))),
    }
}

/// Returns rows of a label and a value.
pub(crate) fn rows(rows: &[(&str, String)]) -> String {
    rows.iter().map(|(label, value)| format!("{label:<9} {value}\n")).collect()
}

/// Returns a number of bytes as text: `1 MiB`, `1.5 KiB`, `700 B`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((unit, shift)) = UNITS.iter().find(|(_, shift)| count >> shift > 0) else {
        return format!("{count} B");
    };
    let whole = count >> shift;
    // Tenths, rounded down, so that 1023.9 KiB never reads as 1024.
    let tenths = ((count - (whole << shift)) * 10) >> shift;
    if tenths == 0 { format!("{whole} {unit}") } else { format!("{whole}.{tenths} {unit}") }
}

/// Returns a number in few characters: `999`, `12.3 k`, `1.0 M`.
pub(crate) fn short(number: u64) -> String {
    const UNITS: [(&str, f64); 4] = [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)];
    let exact = number as f64;
    // A number that would round up to 1000 of a unit is shown in the next one.
    match UNITS.iter().find(|(_, size)| exact >= size * 0.999_95) {
        Some((unit, size)) => format!("{:.1} {unit}", exact / size),
        None => number.to_string(),
    }
}

/// Returns a number and a noun, whose plural has an s.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Returns a name quoted as one argument for a shell.
pub(crate) fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-+,@%".contains(c);
    if name.chars().all(is_plain) && !name.starts_with('-') {
        name.to_owned()
    } else {
        format!("'/{}'", printable(name).replace('\'', "'\\''"))
    }
}

/// Returns a time as text: `200 ms`, `12s`, `3m 5s`.
pub(crate) fn span(ms: u64) -> String {
    const EXACT_MS: u64 = 10_000;
    if ms < EXACT_MS {
        return format!("{ms} ms");
    }
    humantime::format_duration(Duration::from_secs(ms / 1000)).to_string()
}

/// Escapes the control characters of a name or a message.
pub(crate) fn printable(text: &str) -> String {
    // U+2028, bidirectional overrides and the like rearrange a terminal's line as well.
    let is_safe = |c: char| !c.is_control() && c != '\\' && !is_format(c);
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_safe(c) {
            out.push(c)
        } else {
            out.extend(c.escape_default())
        }
        out
    })
}

/// Returns bytes as text, with those that are not UTF-8 as `\\xNN`.
pub(crate) fn printable_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out += &printable(chunk.valid());
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out
}

fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a size shown as more than it is, or in the wrong unit.
    #[test]
    fn sizes_for_people() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (1 << 20, "1 MiB"),
            (8 << 30, "8 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    // Catches `1000.0 k` and the like.
    #[test]
    fn short_numbers() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.0 k"),
            (999_940, "999.9 k"),
            (999_960, "1.0 M"),
            (41_200_000, "41.2 M"),
            (2_000_000_000, "2.0 G"),
        ] {
            assert_eq!(short(number), text, "{number}");
        }
    }

    // Catches a time whose last digits say nothing.
    #[test]
    fn times_for_people() {
        assert_eq!(span(0), "0 ms");
        assert_eq!(span(9_999), "9999 ms");
        assert_eq!(span(12_345), "12s");
        assert_eq!(span(185_000), "3m 5s");
    }

    // Catches a name that could move the cursor or end the line.
    #[test]
    fn names_for_terminals() {
        assert_eq!(printable("prices"), "prices");
        assert_eq!(printable("größe"), "größe");
        assert_eq!(printable("a\nb\x1b[2J"), "a\\nb\\u{1b}[2J");
        assert_eq!(printable("a\\b\u{202e}"), "a\\\\b\\u{202e}");
        assert_eq!(printable_bytes(b"gr\xc3\xb6\xff\n"), "gr\u{f6}\\xff\\n");
    }
}
