//! The header page and the directory: what a segment says of itself, written once.

use crate::format::geometry::{Geometry, Shape, directory_bytes};
use crate::format::{
    ENTRY_BYTES, FNV_OFFSET, KIND_BROADCAST, KIND_JOBS, KIND_MPMC, KIND_MPSC, KIND_PACKED,
    KIND_SPMC, KIND_SPSC, LAYOUT_HASH, MAGIC, MAX_METADATA_BYTES, MAX_RINGS, MEMORY_ALL,
    PAGE_BYTES, VERSION, fnv_step,
};
use crate::info::{ElementType, Kind, TypeName};

const HEADER_WORDS: usize = PAGE_BYTES as usize / 8;
const ENTRY_WORDS: usize = ENTRY_BYTES as usize / 8;
/// Bytes in the header page and the largest directory.
pub(crate) const MAX_PROLOGUE_BYTES: u64 = PAGE_BYTES + directory_bytes(MAX_RINGS);

/// The words of the header page, by index. The rest of the page is zero.
mod word {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = 1;
    pub(crate) const LAYOUT_HASH: usize = 2;
    pub(crate) const TOTAL_BYTES: usize = 3;
    pub(crate) const RINGS: usize = 4;
    pub(crate) const ATTACHES: usize = 6;
    pub(crate) const HANDLES: usize = 7;
    pub(crate) const MEMORY: usize = 8;
    pub(crate) const CREATED_NS: usize = 9;
    pub(crate) const CREATOR_PID: usize = 10;
    pub(crate) const METADATA_BYTES: usize = 11;
    /// The first of [`MAX_METADATA_BYTES`](crate::format::MAX_METADATA_BYTES).
    pub(crate) const METADATA: usize = 64;
    pub(crate) const CHECKSUM: usize = super::HEADER_WORDS - 1;
}

/// The words of a directory entry, by index.
mod entry {
    pub(crate) const KIND: usize = 0;
    pub(crate) const CAPACITY_BYTES: usize = 2;
    // Zero where the kind has no such thing.
    pub(crate) const SLOTS: usize = 3;
    pub(crate) const SLOT_BYTES: usize = 4;
    pub(crate) const PAYLOAD_ALIGN: usize = 5;
    pub(crate) const ELEMENT_BYTES: usize = 6;
    pub(crate) const ELEMENT_ALIGN: usize = 7;
    pub(crate) const TYPE_ID: usize = 8;
    pub(crate) const CONTROL: usize = 9;
    pub(crate) const DATA: usize = 10;
    /// And the three words behind it.
    pub(crate) const TYPE_NAME: usize = 12;
}

/// What the header page and the directory say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) geometry: Geometry,
    pub(crate) memory: u64,
    /// Nanoseconds since the Unix epoch.
    pub(crate) created_ns: u64,
    pub(crate) creator_pid: u32,
    /// The creator's own, at most [`MAX_METADATA_BYTES`].
    pub(crate) metadata: Vec<u8>,
}

/// Why bytes are not the header of a segment that this build can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Foreign { why: &'static str },
    Incompatible { what: &'static str, found: u64, expected: u64 },
    Corrupt { what: &'static str, found: u64 },
}

impl Header {
    /// The header page and the directory, in the machine's byte order.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.words().iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn words(&self) -> Vec<u64> {
        let map = self.geometry.map();
        let mut words = vec![0; self.geometry.prologue_bytes() as usize / 8];
        words[word::MAGIC] = MAGIC;
        words[word::VERSION] = VERSION;
        words[word::LAYOUT_HASH] = LAYOUT_HASH;
        words[word::TOTAL_BYTES] = map.total_bytes;
        words[word::RINGS] = self.geometry.rings.len() as u64;
        words[word::ATTACHES] = self.geometry.attachments;
        words[word::HANDLES] = self.geometry.handles;
        words[word::MEMORY] = self.memory;
        words[word::CREATED_NS] = self.created_ns;
        words[word::CREATOR_PID] = u64::from(self.creator_pid);
        words[word::METADATA_BYTES] = self.metadata.len() as u64;
        for (word, bytes) in words[word::METADATA..].iter_mut().zip(self.metadata.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_ne_bytes(whole);
        }
        let entries = words[HEADER_WORDS..].chunks_exact_mut(ENTRY_WORDS);
        for ((entry, shape), offsets) in entries.zip(&self.geometry.rings).zip(&map.rings) {
            encode_shape(entry, *shape);
            entry[entry::CONTROL] = offsets.control;
            entry[entry::DATA] = offsets.data;
        }
        words[word::CHECKSUM] = checksum(&words);
        words
    }

    /// Reads the start of a file of `file_bytes`: `start` has as much of it as a prologue can
    /// have, or all of the file. Every bit of the prologue counts: what no field explains,
    /// the checksum covers.
    ///
    /// # Errors
    /// The first thing that is wrong, most telling first.
    pub(crate) fn decode(start: &[u8], file_bytes: u64) -> Result<Self, BadHeader> {
        let words = words_of(start);
        check_identity(&words)?;
        if file_bytes < words.len() as u64 * 8 {
            return Err(BadHeader::Corrupt { what: "file length", found: file_bytes });
        }
        let corrupt = |what, index: usize| BadHeader::Corrupt { what, found: words[index] };
        if words[word::CHECKSUM] != checksum(&words) {
            return Err(corrupt("checksum", word::CHECKSUM));
        }
        let entries = words[HEADER_WORDS..].chunks_exact(ENTRY_WORDS);
        let rings = entries.take(words[word::RINGS] as usize).map(decode_shape);
        let geometry = Geometry {
            attachments: words[word::ATTACHES],
            handles: words[word::HANDLES],
            rings: rings.collect::<Result<_, _>>()?,
        };
        geometry.check().map_err(|_| corrupt("geometry", word::RINGS))?;
        let total_bytes = geometry.map().total_bytes;
        if words[word::TOTAL_BYTES] != total_bytes {
            return Err(corrupt("total length", word::TOTAL_BYTES));
        }
        if file_bytes != total_bytes {
            return Err(BadHeader::Corrupt { what: "file length", found: file_bytes });
        }
        if words[word::MEMORY] & !MEMORY_ALL != 0 {
            return Err(corrupt("memory flags", word::MEMORY));
        }
        let creator_pid = u32::try_from(words[word::CREATOR_PID])
            .map_err(|_| corrupt("creator pid", word::CREATOR_PID))?;
        let metadata = words[word::METADATA..].iter().flat_map(|word| word.to_ne_bytes());
        let metadata_bytes = words[word::METADATA_BYTES];
        if metadata_bytes > MAX_METADATA_BYTES as u64 {
            return Err(corrupt("length of the metadata", word::METADATA_BYTES));
        }
        let header = Self {
            geometry,
            memory: words[word::MEMORY],
            created_ns: words[word::CREATED_NS],
            creator_pid,
            metadata: metadata.take(metadata_bytes as usize).collect(),
        };
        // What the fields above do not explain is not as this build would write it.
        let expected = header.words();
        let differs = |&index: &usize| index != word::CHECKSUM && words[index] != expected[index];
        match (0..words.len()).find(differs) {
            Some(index) => Err(corrupt("a word that has no meaning here", index)),
            None => Ok(header),
        }
    }
}

/// The words of the header page and of the directory, of as many rings as the page says;
/// zeros where there are no more bytes.
fn words_of(start: &[u8]) -> Vec<u64> {
    let mut found =
        start.chunks_exact(8).map(|b| u64::from_ne_bytes(b.try_into().unwrap_or_default()));
    let mut words: Vec<u64> = found.by_ref().take(HEADER_WORDS).collect();
    words.resize(HEADER_WORDS, 0);
    let directory = directory_bytes(words[word::RINGS].min(MAX_RINGS)) as usize / 8;
    words.extend(found.take(directory));
    words.resize(HEADER_WORDS + directory, 0);
    words
}

/// # Errors
/// What makes the rest of the words mean something else, or nothing.
fn check_identity(words: &[u64]) -> Result<(), BadHeader> {
    match words[word::MAGIC] {
        MAGIC => {}
        magic if magic == MAGIC.swap_bytes() => {
            return Err(BadHeader::Foreign { why: "made on a machine of the other byte order" });
        }
        _ => return Err(BadHeader::Foreign { why: "it does not start with the magic" }),
    }
    let expect = |what, index: usize, expected| match words[index] {
        found if found == expected => Ok(()),
        found => Err(BadHeader::Incompatible { what, found, expected }),
    };
    expect("version", word::VERSION, VERSION)?;
    expect("layout hash", word::LAYOUT_HASH, LAYOUT_HASH)?;
    match words[word::RINGS] {
        1..=MAX_RINGS => Ok(()),
        found => Err(BadHeader::Corrupt { what: "number of rings", found }),
    }
}

fn kind_number(kind: Kind) -> u64 {
    match kind {
        Kind::Spsc => KIND_SPSC,
        Kind::Mpmc => KIND_MPMC,
        Kind::Mpsc => KIND_MPSC,
        Kind::Spmc => KIND_SPMC,
        Kind::Packed => KIND_PACKED,
        Kind::Broadcast => KIND_BROADCAST,
        Kind::Jobs => KIND_JOBS,
    }
}

fn encode_shape(entry: &mut [u64], shape: Shape) {
    entry[entry::KIND] = kind_number(shape.kind());
    entry[entry::CAPACITY_BYTES] = shape.capacity_bytes();
    entry[entry::SLOTS] = shape.slots().unwrap_or(0);
    entry[entry::SLOT_BYTES] = shape.slot_bytes().unwrap_or(0);
    entry[entry::PAYLOAD_ALIGN] = shape.align_bytes();
    if let Some(element) = shape.element() {
        entry[entry::ELEMENT_BYTES] = element.size_bytes;
        entry[entry::ELEMENT_ALIGN] = element.align_bytes;
        entry[entry::TYPE_ID] = element.type_id;
        entry[entry::TYPE_NAME..][..4].copy_from_slice(&element.name.to_words());
    }
}

/// The shape that an entry describes, unchecked.
fn decode_shape(entry: &[u64]) -> Result<Shape, BadHeader> {
    let found = entry[entry::KIND];
    let kind = Kind::ALL.into_iter().find(|kind| kind_number(*kind) == found);
    let (slots, slot_bytes) = (entry[entry::SLOTS], entry[entry::SLOT_BYTES]);
    let align_bytes = entry[entry::PAYLOAD_ALIGN];
    let mut name = [0; 4];
    name.copy_from_slice(&entry[entry::TYPE_NAME..][..4]);
    let element = ElementType {
        size_bytes: entry[entry::ELEMENT_BYTES],
        align_bytes: entry[entry::ELEMENT_ALIGN],
        type_id: entry[entry::TYPE_ID],
        // What is not a name is not as this build would write it, which `decode` finds.
        name: TypeName::from_words(name).unwrap_or(TypeName::UNKNOWN),
    };
    let some = |element: ElementType| (element.size_bytes != 0).then_some(element);
    match kind {
        Some(Kind::Spsc) => {
            Ok(Shape::Records { capacity_bytes: entry[entry::CAPACITY_BYTES], align_bytes })
        }
        Some(Kind::Packed) => Ok(Shape::Elements { slots, element }),
        Some(kind @ (Kind::Mpmc | Kind::Mpsc | Kind::Spmc | Kind::Jobs)) => {
            Ok(Shape::Slots { kind, slots, slot_bytes, align_bytes, element: some(element) })
        }
        Some(Kind::Broadcast) => {
            let capacity_bytes = entry[entry::CAPACITY_BYTES];
            Ok(Shape::Broadcast { capacity_bytes, align_bytes, element: some(element) })
        }
        None => Err(BadHeader::Incompatible { what: "kind", found, expected: KIND_JOBS }),
    }
}

/// Of every word but the one that holds it.
fn checksum(words: &[u64]) -> u64 {
    let (header, directory) = words.split_at(HEADER_WORDS);
    let header = header[..word::CHECKSUM].iter();
    header.chain(directory).fold(FNV_OFFSET, |hash, &word| fnv_step(hash, word))
}
