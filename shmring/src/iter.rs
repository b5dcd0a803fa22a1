//! Receiving in a `for` loop.

use crate::error::RecvError;

/// What `recv` returns, time after time, until the stream ends. An error is the last item.
pub(crate) fn until_end<T>(
    mut recv: impl FnMut() -> Result<T, RecvError>,
) -> impl Iterator<Item = Result<T, RecvError>> {
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let item = recv();
        ended = item.is_err();
        match item {
            Err(RecvError::Eof) => None,
            item => Some(item),
        }
    })
}
