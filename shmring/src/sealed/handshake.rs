//! What a server says to whoever connects: one message, and then nothing more.

const MAGIC: [u8; 8] = *b"shmring\n";
const VERSION: u32 = 1;
/// Magic, version, verdict, uid, gid; the label is all the rest.
const FIXED_BYTES: usize = 24;
/// More than the longest message, so that one that is too long shows.
pub(crate) const BUFFER_BYTES: usize = 512;

/// What the server decided. The numbers are part of the message's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Verdict {
    /// Three open files for taking part come with the message.
    ReadWrite = 1,
    /// One open file for looking comes with it.
    ReadOnly = 2,
    NotListed = 3,
    Busy = 4,
    Failed = 5,
}

impl Verdict {
    const ALL: [Self; 5] =
        [Self::ReadWrite, Self::ReadOnly, Self::NotListed, Self::Busy, Self::Failed];

    /// How many files come with the message.
    pub(crate) fn files(self) -> usize {
        match self {
            Self::ReadWrite => 3,
            Self::ReadOnly => 1,
            Self::NotListed | Self::Busy | Self::Failed => 0,
        }
    }
}

/// The message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    pub(crate) verdict: Verdict,
    /// Whom the server sees.
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) label: String,
}

impl Handshake {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for field in [VERSION, self.verdict as u32, self.uid, self.gid] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(self.label.as_bytes());
        bytes
    }

    /// # Errors
    /// What is wrong with the message.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let (fixed, label) = bytes.split_at_checked(FIXED_BYTES).ok_or("its greeting is short")?;
        let (magic, fields) = fixed.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err("its greeting is not one of shmring");
        }
        let field = |index: usize| {
            let bytes = fields.chunks_exact(4).nth(index).and_then(|field| field.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes)
        };
        if field(0) != VERSION {
            return Err("it speaks another version of the protocol");
        }
        let verdict = Verdict::ALL.into_iter().find(|verdict| *verdict as u32 == field(1));
        Ok(Self {
            verdict: verdict.ok_or("its verdict is none that is known")?,
            uid: field(2),
            gid: field(3),
            label: str::from_utf8(label).map_err(|_| "its label is not text")?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a format that changes without its version, or bytes that are taken for more
    // than they are.
    #[test]
    fn greetings_are_what_they_were() {
        for verdict in Verdict::ALL {
            let label = "größe".to_owned();
            let handshake = Handshake { verdict, uid: 1, gid: u32::MAX, label };
            assert_eq!(Handshake::decode(&handshake.encode()), Ok(handshake.clone()));
            assert!(verdict.files() <= crate::sys::socket::MAX_FILES);
        }
        let label = "x".repeat(crate::sys::memfd::MAX_LABEL_BYTES);
        let bytes = Handshake { verdict: Verdict::NotListed, uid: 2, gid: 3, label }.encode();
        assert!(bytes.len() < BUFFER_BYTES);
        let fixed = b"shmring\n\x01\0\0\0\x03\0\0\0\x02\0\0\0\x03\0\0\0";
        assert_eq!(bytes[..FIXED_BYTES], *fixed);
        for len in 0..FIXED_BYTES {
            assert!(Handshake::decode(&bytes[..len]).is_err(), "{len}");
        }
        for (at, value) in [(0, b'S'), (8, 2), (12, 0), (12, 6), (15, 1), (24, 0xff)] {
            let mut other = bytes.clone();
            other[at] = value;
            assert!(Handshake::decode(&other).is_err(), "{at}");
        }
    }
}
