//! Numbers from a seed, with a liking for those at which comparisons and sums go wrong.

/// xorshift64*; its state is never 0.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// What a word may be changed to.
    pub(crate) fn instead_of(&mut self, word: u64) -> u64 {
        match self.below(14) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << self.below(64),
            3 => u64::MAX << self.below(64),
            4 => word ^ 1 << self.below(64),
            5 => word.wrapping_add(1),
            6 => word.wrapping_sub(1),
            7 => word.wrapping_add(8),
            8 => word.wrapping_sub(8),
            9 => word.wrapping_neg(),
            10 => self.next() >> self.below(64),
            // Fields of a word: lengths and counts are in the low bits of theirs.
            11 | 12 => {
                let field = u64::MAX >> (32 + self.below(28));
                word & !field | self.next() & field
            }
            _ => self.next(),
        }
    }
}
