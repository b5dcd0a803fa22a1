//! Receiving in a `for` loop.

use crate::consumer::Consumer;
use crate::error::RecvError;

/// Copies of the messages of a [`Consumer`] up to the end of the stream; see
/// [`Consumer::iter`].
#[derive(Debug)]
#[must_use = "an iterator receives nothing unless it is consumed"]
pub struct Iter<'a> {
    consumer: &'a mut Consumer,
    ended: bool,
}

impl<'a> Iter<'a> {
    pub(crate) fn new(consumer: &'a mut Consumer) -> Self {
        Self { consumer, ended: false }
    }
}

impl Iterator for Iter<'_> {
    type Item = Result<Vec<u8>, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        next_until_end(&mut self.ended, || self.consumer.recv())
    }
}

/// Once it has returned `None`, it does not receive any more.
impl std::iter::FusedIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a mut Consumer {
    type Item = Result<Vec<u8>, RecvError>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Returns the next item of a loop over what `recv` returns, until the stream ends. An error is
/// the last item, unless it is [passing](RecvError::is_passing).
pub(crate) fn next_until_end<T>(
    ended: &mut bool,
    recv: impl FnOnce() -> Result<T, RecvError>,
) -> Option<Result<T, RecvError>> {
    if *ended {
        return None;
    }
    let item = recv();
    *ended = item.as_ref().is_err_and(|error| !error.is_passing());
    match item {
        Err(RecvError::Eof) => None,
        item => Some(item),
    }
}
