//! Buffers that start at a cache line.

use bytemuck::{Pod, Zeroable};

use super::content;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

pub(crate) struct Aligned(Vec<Line>);

impl Aligned {
    /// At least so many bytes.
    pub(crate) fn new(bytes: usize) -> Aligned {
        Aligned(vec![Line([0x5A; 64]); bytes.div_ceil(64).max(1)])
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

/// Messages of one length, next to each other.
pub(crate) struct Batch<const LEN: usize> {
    memory: Aligned,
    count: usize,
}

impl<const LEN: usize> Batch<LEN> {
    pub(crate) fn new(count: usize) -> Self {
        Self { memory: Aligned::new(count * LEN), count }
    }

    #[inline(always)]
    pub(crate) fn messages(&mut self) -> &mut [[u8; LEN]] {
        let (messages, _) = self.memory.bytes().as_chunks_mut();
        &mut messages[..self.count]
    }

    /// Names the messages, from `word` on.
    #[inline(always)]
    pub(crate) fn stamp(&mut self, word: u64, check: bool) {
        for (message, word) in self.messages().iter_mut().zip(word..) {
            content::stamp(message, word);
            if check {
                content::fill(message, word);
            }
        }
    }
}
