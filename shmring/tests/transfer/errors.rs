//! The errors of verbs, and which verbs can return them.

use std::error::Error;
use std::io;

use shmring::{
    Corrupt, DrainError, Fault, RecvError, RecvIntoError, RecvTimeoutError, SendError,
    SendTimeoutError, TryRecvError, TrySendError,
};

/// The kind that `io` gets, and that the error is inside and says its cause once.
fn check<E>(error: E, kind: io::ErrorKind)
where
    E: Error + Copy + PartialEq + Send + Sync + 'static,
    io::Error: From<E>,
{
    assert!(error.source().is_none(), "{error} is said twice");
    let outer = io::Error::from(error);
    assert_eq!(outer.kind(), kind, "{error}");
    assert_eq!(outer.to_string(), error.to_string());
    let inner = outer.get_ref().and_then(|inner| inner.downcast_ref::<E>());
    assert_eq!(inner, Some(&error));
}

/// Catches an error that `?` cannot turn into an `io::Error`, one whose kind misleads a caller
/// of `io`, and one that a report of the whole chain prints twice.
#[test]
fn every_error_is_an_io_error_and_names_its_cause_once() {
    use io::ErrorKind::{
        BrokenPipe, InvalidData, InvalidInput, TimedOut, UnexpectedEof, Unsupported, WouldBlock,
    };
    let fault = Fault::Corrupt(Corrupt { what: "head", position: 8, found: 7 });
    check(fault, InvalidData);
    check(Fault::Forked, Unsupported);

    check(TrySendError::Full, WouldBlock);
    check(TrySendError::WouldBlock, WouldBlock);
    check(TrySendError::BrokenPipe, BrokenPipe);
    check(SendError::TooLong { len: 9, max: 8 }, InvalidInput);
    check(SendError::Closed, BrokenPipe);
    check(SendError::Failed(fault), InvalidData);
    check(SendTimeoutError::TimedOut, TimedOut);
    check(SendTimeoutError::TooMany { count: 9, max: 8 }, InvalidInput);

    check(TryRecvError::Empty, WouldBlock);
    check(TryRecvError::WouldBlock, WouldBlock);
    check(RecvError::Eof, UnexpectedEof);
    check(RecvError::NotExclusive, Unsupported);
    check(RecvTimeoutError::TimedOut, TimedOut);
    check(RecvTimeoutError::Failed(fault), InvalidData);
    check(RecvIntoError::<RecvError>::TooSmall { len: 9 }, InvalidInput);
    check(RecvIntoError::Recv(RecvError::Eof), UnexpectedEof);
    check(RecvIntoError::Recv(TryRecvError::Empty), WouldBlock);
    check(RecvIntoError::Recv(RecvTimeoutError::TimedOut), TimedOut);

    check(DrainError::TimedOut { unreceived: 3 }, TimedOut);
    check(DrainError::BrokenPipe { unreceived: 3 }, BrokenPipe);
    check(DrainError::Failed(fault), InvalidData);
}

/// Catches two verbs that differ only in how long they wait, and word the same cause in two ways.
#[test]
fn a_cause_is_worded_alike_whether_a_verb_has_a_deadline_or_not() {
    for error in [
        SendError::TooLong { len: 9, max: 8 },
        SendError::TooMany { count: 9, max: 8 },
        SendError::BrokenPipe,
        SendError::Closed,
        SendError::Failed(Fault::Forked),
    ] {
        assert_eq!(SendTimeoutError::from(error).to_string(), error.to_string());
    }
    for error in [RecvError::Eof, RecvError::NotExclusive, RecvError::Failed(Fault::Forked)] {
        assert_eq!(RecvTimeoutError::from(error).to_string(), error.to_string());
        assert_eq!(RecvIntoError::from(error).to_string(), error.to_string());
    }
}
