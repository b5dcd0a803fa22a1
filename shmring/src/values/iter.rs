//! Receiving values in a `for` loop.

use super::Consumer;
use crate::element::Element;
use crate::error::RecvError;
use crate::iter::next_until_end;

/// The values of a [`Consumer`] up to the end of the stream; see [`Consumer::iter`].
#[derive(Debug)]
#[must_use = "an iterator receives nothing unless it is consumed"]
pub struct Iter<'a, T> {
    consumer: &'a mut Consumer<T>,
    ended: bool,
}

impl<'a, T> Iter<'a, T> {
    pub(super) fn new(consumer: &'a mut Consumer<T>) -> Self {
        Self { consumer, ended: false }
    }
}

impl<T: Element> Iterator for Iter<'_, T> {
    type Item = Result<T, RecvError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        next_until_end(&mut self.ended, || self.consumer.recv())
    }
}

/// Once it has returned `None`, it does not receive any more.
impl<T: Element> std::iter::FusedIterator for Iter<'_, T> {}

impl<'a, T: Element> IntoIterator for &'a mut Consumer<T> {
    type Item = Result<T, RecvError>;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}
