//! The only message of the protocol, which a server sends to each client.

const MAGIC: [u8; 8] = *b"shmring\n";
const VERSION: u32 = 1;
/// Bytes of magic, version, verdict, uid and gid; the label follows.
const FIXED_BYTES: usize = 24;
/// More than the longest message, so that the receiver detects a longer one.
pub(crate) const BUFFER_BYTES: usize = 512;

/// The server's decision. The numbers are part of the message's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Verdict {
    /// Read-write access; the message carries three descriptors.
    ReadWrite = 1,
    /// Read-only access; the message carries one descriptor.
    ReadOnly = 2,
    NotListed = 3,
    Busy = 4,
    Failed = 5,
}

impl Verdict {
    const ALL: [Self; 5] =
        [Self::ReadWrite, Self::ReadOnly, Self::NotListed, Self::Busy, Self::Failed];

    /// Returns the number of descriptors that the message carries.
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
    /// The client's effective uid and gid, as the server sees them.
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

    /// Decodes a message.
    ///
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

    // Catches a format that changes without its version, and malformed messages that are accepted.
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
