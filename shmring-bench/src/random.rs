//! A fixed generator (splitmix64): a seed means the same everywhere.

/// The generator. The field is its state: a seed, at first.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// Returns the next word.
    // It never ends, so that it need not be an iterator.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Returns a number less than `end`, with a bias that does not matter for small ends.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Mixes the bits of a word.
pub fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
