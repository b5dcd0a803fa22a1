//! What messages hold: a word that names producer and sequence, and for a check more of the same.

use crate::contender::BoxError;
use crate::random::mix;

/// Bits of the word that count; those above are the producer's.
const SEQUENCE_BITS: u32 = 48;

/// The word of a producer's first message; those of the others follow.
pub(crate) fn first_word(producer: u32) -> u64 {
    u64::from(producer) << SEQUENCE_BITS
}

/// The producer that a word names.
pub(crate) fn producer_of(word: u64) -> usize {
    (word >> SEQUENCE_BITS) as usize
}

/// The word that a message starts with.
#[inline(always)]
pub(crate) fn word_of(message: &[u8]) -> Option<u64> {
    message.first_chunk().map(|word| u64::from_le_bytes(*word))
}

/// Writes the word.
#[inline(always)]
pub(crate) fn stamp(message: &mut [u8], word: u64) {
    if let Some(start) = message.first_chunk_mut() {
        *start = word.to_le_bytes();
    }
}

/// Writes the rest of a message so that each byte depends on the word.
pub(crate) fn fill(message: &mut [u8], word: u64) {
    let mut noise = word;
    for chunk in message.chunks_mut(8).skip(1) {
        noise = mix(noise.wrapping_add(1));
        chunk.copy_from_slice(&noise.to_le_bytes()[..chunk.len()]);
    }
}

/// Checks what [`fill`] wrote.
pub(crate) fn check_fill(message: &[u8], word: u64) -> Result<(), BoxError> {
    let mut noise = word;
    for (index, chunk) in message.chunks(8).enumerate().skip(1) {
        noise = mix(noise.wrapping_add(1));
        if *chunk != noise.to_le_bytes()[..chunk.len()] {
            let word = describe(word);
            return Err(format!("{word} is corrupted near its byte {}", index * 8).into());
        }
    }
    Ok(())
}

/// Checks the length of what was received.
#[inline(always)]
pub(crate) fn check_len(len: usize, wanted: usize) -> Result<(), BoxError> {
    if len == wanted { Ok(()) } else { Err(wrong_len(len, wanted)) }
}

#[cold]
fn wrong_len(len: usize, wanted: usize) -> BoxError {
    format!("a message of {len} bytes came, where all have {wanted}").into()
}

/// A word in an error.
pub(crate) fn describe(word: u64) -> String {
    let sequence = word & ((1 << SEQUENCE_BITS) - 1);
    format!("message {sequence} of producer {}", producer_of(word))
}

/// Follows the words that one consumer receives.
///
/// A consumer that has all messages of its producers sees each word follow the one before. One that
/// competes with others sees words of a producer grow; whether all together have all of them is
/// told by their counts and sums.
pub(crate) struct Ledger {
    /// By producer: the next word.
    next: Vec<u64>,
    alone: bool,
    pub(crate) messages: u64,
    pub(crate) sum: u64,
}

impl Ledger {
    pub(crate) fn new(producers: u32, consumers: u32) -> Ledger {
        let next = (0..producers).map(first_word).collect();
        Ledger { next, alone: consumers == 1, messages: 0, sum: 0 }
    }

    /// Takes in a received word.
    #[inline(always)]
    pub(crate) fn take(&mut self, word: u64) -> Result<(), BoxError> {
        let producer = if self.next.len() == 1 { 0 } else { producer_of(word) };
        let Some(next) = self.next.get_mut(producer) else { return Err(unknown(word)) };
        if word == *next || (word > *next && !self.alone) {
            *next = word + 1;
            self.messages += 1;
            self.sum = self.sum.wrapping_add(mix_lightly(word));
            return Ok(());
        }
        Err(out_of_order(word, *next))
    }
}

/// The sum of the first `messages` words of a producer, as [`Ledger::take`] makes it.
pub(crate) fn sum_of(producer: u32, messages: u64) -> u64 {
    let first = first_word(producer);
    (0..messages).fold(0, |sum: u64, sequence| sum.wrapping_add(mix_lightly(first + sequence)))
}

/// Squares, so that one lost and two others repeated do not add up by chance.
#[inline(always)]
fn mix_lightly(word: u64) -> u64 {
    word.wrapping_mul(word | 1)
}

#[cold]
fn unknown(word: u64) -> BoxError {
    format!("a message came that nobody sent: it starts with {word:#018x}").into()
}

#[cold]
fn out_of_order(word: u64, next: u64) -> BoxError {
    let what = if word < next { "came again or late" } else { "came too early: others are lost" };
    format!("{} {what}; {} was to come", describe(word), describe(next)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(ledger: &mut Ledger, words: &[u64]) -> Result<(), String> {
        words.iter().try_for_each(|word| ledger.take(*word)).map_err(|error| error.to_string())
    }

    // Catches a ledger that lets a loss, a repetition or a swap pass.
    #[test]
    fn a_lone_consumer_must_see_each_word_once_and_in_order() {
        let ledger = || Ledger::new(1, 1);
        assert_eq!(take(&mut ledger(), &[0, 1, 2]), Ok(()));
        for wrong in [&[0, 2][..], &[0, 0], &[1, 0], &[0, 1 << SEQUENCE_BITS]] {
            assert!(take(&mut ledger(), wrong).is_err(), "{wrong:?}");
        }
    }

    // Catches producers that are mixed up, and a competing consumer that is held to be alone.
    #[test]
    fn of_several_each_has_its_own_order() {
        let second = first_word(1);
        let mut shared = Ledger::new(2, 2);
        assert_eq!(take(&mut shared, &[3, second, 7, second + 5]), Ok(()));
        assert!(take(&mut shared, &[7]).is_err());
        assert!(take(&mut shared, &[first_word(2)]).is_err());
    }

    // Catches sums that a loss and a repetition leave alone.
    #[test]
    fn sums_tell_who_has_what() {
        let mut ledger = Ledger::new(1, 2);
        take(&mut ledger, &[0, 1, 3]).unwrap();
        assert_ne!(ledger.sum, sum_of(0, 3));
        let mut ledger = Ledger::new(1, 2);
        take(&mut ledger, &[0, 1, 2]).unwrap();
        assert_eq!(ledger.sum, sum_of(0, 3));
    }

    // Catches a changed byte that the check does not look at, the last ones included.
    #[test]
    fn every_byte_after_the_word_is_checked() {
        let mut message = [0; 29];
        fill(&mut message, 77);
        assert!(check_fill(&message, 77).is_ok());
        for at in 8..29 {
            message[at] ^= 1;
            assert!(check_fill(&message, 77).is_err(), "byte {at}");
            message[at] ^= 1;
        }
    }
}
