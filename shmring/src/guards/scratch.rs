//! Messages that were copied out of the ring before they were taken.

use crate::guards::Message;

/// Copies of the messages of one batch, in order. Keeps its memory between batches.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    words: Vec<u64>,
    messages: Vec<Copied>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Copied {
    first_word: usize,
    len: usize,
    end_position: u64,
}

impl Copied {
    /// The word after it.
    #[inline]
    fn end_word(self) -> usize {
        self.first_word + words_of(self.len)
    }
}

impl Scratch {
    /// Puts the message of that index, which ends at `position`, behind that of the index before:
    /// `load` copies its `len` bytes.
    #[inline(always)]
    pub(crate) fn put(
        &mut self,
        index: usize,
        position: u64,
        len: usize,
        load: impl FnOnce(&mut [u8]),
    ) {
        let first_word = match index.checked_sub(1).and_then(|before| self.messages.get(before)) {
            Some(before) => before.end_word(),
            None => 0,
        };
        let copied = Copied { first_word, len, end_position: position };
        if copied.end_word() > self.words.len() || index >= self.messages.len() {
            self.grow(index, copied.end_word());
        }
        let to: &mut [u8] = bytemuck::cast_slice_mut(&mut self.words[first_word..]);
        load(&mut to[..len]);
        self.messages[index] = copied;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, index: usize, words: usize) {
        let messages = (index + 1).max(self.messages.len());
        self.messages.resize(messages, Copied::default());
        let words = words.max(self.words.len());
        self.words.resize(words, 0);
    }

    /// The first `count` messages that were put.
    #[inline]
    pub(crate) fn messages(&self, count: usize) -> impl Iterator<Item = Message<'_>> {
        self.messages.iter().take(count).map(|copied| {
            let words = &self.words[copied.first_word..copied.end_word()];
            Message::copied(words, copied.len, copied.end_position)
        })
    }
}

#[inline]
fn words_of(len: usize) -> usize {
    len.div_ceil(size_of::<u64>())
}
