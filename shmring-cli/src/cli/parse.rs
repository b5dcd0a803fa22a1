//! Parsers of argument values: sizes, kinds, positions, durations, modes.

use std::time::Duration;

use shmring::{Kind, Start};

const UNITS: [(&str, u64); 14] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("kb", 1_000),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("gb", 1_000_000_000),
    ("t", 1 << 40),
    ("tib", 1 << 40),
    ("tb", 1_000_000_000_000),
];

/// Parses a number of bytes or of slots: `4096`, `64K`, `1M`, `4GiB`, `10MB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    match (number.parse::<u64>(), factor) {
        (Ok(number), Some(factor)) => number
            .checked_mul(factor)
            .ok_or_else(|| "that is more than a 64-bit number can count".to_owned()),
        (Err(_), _) if !number.is_empty() => {
            Err("that is more than a 64-bit number can count".to_owned())
        }
        _ => Err("expected a whole number such as 4096, 64K, 1M, 4GiB or 10MB".to_owned()),
    }
}

/// Parses the size of a message: at least one byte, and no more than memory can hold.
pub(crate) fn chunk_size(text: &str) -> Result<usize, String> {
    match usize::try_from(size(text)?) {
        Ok(0) => Err("a message of 0 bytes would never move stdin on".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(_) => Err("that is more bytes than this machine can address".to_owned()),
    }
}

/// Parses a kind of ring that holds bytes.
pub(crate) fn kind(text: &str) -> Result<Kind, String> {
    match text.parse()? {
        Kind::Packed => Err("a packed ring holds elements of one type, which takes a program to \
            name; spsc, mpmc, mpsc, spmc, broadcast and jobs hold bytes"
            .to_owned()),
        kind => Ok(kind),
    }
}

/// Parses where a receiver of a broadcast ring begins: `next`, `oldest` or a position.
pub(crate) fn start(text: &str) -> Result<Start, String> {
    match text {
        "next" => Ok(Start::Next),
        "oldest" => Ok(Start::Oldest),
        position => position.parse().map(Start::Position).map_err(|_| {
            "expected next, oldest, or a position, which `shmring peek` and `recv --stats` show"
                .to_owned()
        }),
    }
}

/// Parses a time span: `250ms`, `5s`, `1m 30s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; expected a time such as 250ms, 5s or 1m 30s"))
}

/// Parses the time between two samples.
pub(crate) fn pace(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(10);
    const MOST: Duration = Duration::from_secs(3600);
    match duration(text)? {
        pace if (LEAST..=MOST).contains(&pace) => Ok(pace),
        _ => Err("expected a time from 10ms to 1h".to_owned()),
    }
}

/// Parses permission bits in octal: `0600`, `660`, `0o640`.
pub(crate) fn mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    // from_str_radix accepts a sign.
    let octal = !digits.is_empty() && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if octal && mode <= 0o777 => Ok(mode),
        _ => Err("expected an octal file mode from 0 to 0777, such as 0600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a unit that changes its meaning, and an overflow that wraps.
    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("1b", 1),
            ("64K", 65_536),
            ("64k", 65_536),
            ("64KiB", 65_536),
            ("64KB", 64_000),
            ("1M", 1 << 20),
            ("4GiB", 4 << 30),
            ("4 GiB", 4 << 30),
            ("10MB", 10_000_000),
            ("1T", 1 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "K", "-1", "+1", "1.5M", "1X", "1KK", "0x10", "18446744073709551616", "99999999T"]
        {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(chunk_size("0").is_err());
    }

    // Catches a kind of ring that no verb can send to, and an error that suggests nothing.
    #[test]
    fn kinds() {
        for known in Kind::ALL {
            match kind(known.name()) {
                Ok(parsed) => assert_eq!(parsed, known),
                Err(error) => {
                    assert_eq!(known, Kind::Packed);
                    assert!(error.contains("type") && error.contains("mpmc"), "{error}");
                }
            }
        }
        assert!(kind("MPMC").is_err());
    }

    // Catches a position that is taken for a size, or for a word.
    #[test]
    fn starts() {
        assert_eq!(start("next"), Ok(Start::Next));
        assert_eq!(start("oldest"), Ok(Start::Oldest));
        assert_eq!(start("18446744073709551615"), Ok(Start::Position(u64::MAX)));
        for text in ["", "Next", "newest", "-1", "4K", "1.5", "18446744073709551616"] {
            assert!(start(text).is_err(), "{text}");
        }
    }

    // Catches a mode read as decimal, or with bits beyond the permissions.
    #[test]
    fn modes() {
        assert_eq!(mode("0600"), Ok(0o600));
        assert_eq!(mode("660"), Ok(0o660));
        assert_eq!(mode("0o640"), Ok(0o640));
        for text in ["", "8", "0o", "rw", "1777", "+600", "-600", "0x1ff", "6 0"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }

    // Catches numbers without a unit that pass for durations.
    #[test]
    fn durations() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["", "5", "s", "-1s", "5 parsecs"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(pace("100ms"), Ok(Duration::from_millis(100)));
        for text in ["0s", "9ms", "2h", "1"] {
            assert!(pace(text).is_err(), "{text}");
        }
    }
}
