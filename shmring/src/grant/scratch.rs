//! Messages that were copied out of the ring before they were taken.

use super::{Message, copy};
use crate::ring::Place;
use crate::sync::AtomicU64;

/// Copies of the messages of one batch, in order. Keeps its memory between batches.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    words: Vec<u64>,
    messages: Vec<Copied>,
}

#[derive(Debug)]
struct Copied {
    first_word: usize,
    len: usize,
    position: u64,
}

impl Scratch {
    /// Copies the message at `place`, the one of that index; forgets it and those after
    /// it, if there are any already.
    pub(crate) fn put(&mut self, index: usize, place: Place, from: &[AtomicU64]) {
        self.messages.truncate(index);
        let first_word =
            self.messages.last().map_or(0, |last| last.first_word + words_of(last.len));
        let len = place.len as usize;
        let end = first_word + words_of(len);
        if self.words.len() < end {
            self.words.resize(end, 0);
        }
        let to: &mut [u8] = bytemuck::cast_slice_mut(&mut self.words[first_word..]);
        copy::load(from, &mut to[..len]);
        self.messages.push(Copied { first_word, len, position: place.end });
    }

    /// The messages.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        self.messages.iter().map(|copied| {
            let words = &self.words[copied.first_word..][..words_of(copied.len)];
            Message::copied(words, copied.len, copied.position)
        })
    }
}

fn words_of(len: usize) -> usize {
    len.div_ceil(size_of::<u64>())
}
