//! Properties of all errors.

use std::error::Error;
use std::io::ErrorKind;

use super::*;

fn os() -> OsError {
    OsError::new("open", "/dev/shm/prices", std::io::Error::from_raw_os_error(libc::EMFILE))
}

fn attach() -> AttachError {
    AttachError::Os(os())
}

/// Every public error, with each of the errors that it can hold.
fn errors() -> Vec<Box<dyn Error + Send + Sync>> {
    let fault = Fault::Truncated;
    let share = || ShareError::Os(os());
    vec![
        Box::new(os()),
        Box::new(fault),
        Box::new(Fault::SleepRefused { call: "futex", errno: libc::EPERM }),
        Box::new(Fault::ProbeRefused { call: "fcntl", errno: libc::EPERM }),
        Box::new(NameError::Empty),
        Box::new(ConfigError::NoElement),
        Box::new(attach()),
        Box::new(AttachError::Name(NameError::Empty)),
        Box::new(CreateError::Name(NameError::Empty)),
        Box::new(CreateError::Config(ConfigError::NoElement)),
        Box::new(CreateError::Attach(attach())),
        Box::new(CreateError::Os(os())),
        Box::new(UnlinkError::Name(NameError::Empty)),
        Box::new(UnlinkError::Attach(attach())),
        Box::new(UnlinkError::Os(os())),
        Box::new(CollectError::Attach(attach())),
        Box::new(CollectError::Unlink(UnlinkError::Attach(attach()))),
        Box::new(CollectError::Failed(fault)),
        Box::new(share()),
        Box::new(ShareError::Failed(fault)),
        Box::new(OfferError::Share(share())),
        Box::new(OfferError::Os(os())),
        Box::new(ReceiveError::Attach(attach())),
        Box::new(ReceiveError::Os(os())),
        Box::new(JoinError::Failed(fault)),
        Box::new(JoinError::WrongType(Box::new(WrongType { found: None, wanted: None }))),
        Box::new(MonitorError::Failed(fault)),
        Box::new(MonitorError::Os(os())),
        Box::new(PeekError::Failed(fault)),
        Box::new(PeekError::Os(os())),
        Box::new(TrySendError::Failed(fault)),
        Box::new(SendError::Failed(fault)),
        Box::new(TryRecvError::Failed(fault)),
        Box::new(RecvError::Failed(fault)),
    ]
}

/// Catches a cause that the chain of sources repeats, and one that is missing.
#[test]
fn each_message_is_complete_and_its_source_is_not_in_it() {
    for error in errors() {
        let mut chain = vec![error.to_string()];
        let mut next = error.source();
        while let Some(source) = next {
            for message in &chain {
                assert!(!message.contains(&source.to_string()), "{error:?}: {chain:?}, {source}");
            }
            chain.push(source.to_string());
            next = source.source();
        }
        let text = chain.join(": ");
        if format!("{error:?}").contains("source: Os") {
            assert!(text.contains("Too many open files"), "{error:?}: {text}");
        }
        if format!("{error:?}").contains("Truncated") {
            assert!(text.contains("cut the segment's file short"), "{error:?}: {text}");
        }
    }
}

/// Catches an error that is lost, or gets the wrong kind, when it becomes an `io::Error`.
#[test]
fn errors_become_those_of_the_standard_library() {
    let name = || "prices".to_owned();
    let check = |error: std::io::Error, kind, part: &str| {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.source().is_none(), "{error}");
    };
    let many_files = std::io::Error::from_raw_os_error(libc::EMFILE).kind();
    check(os().into(), many_files, "Too many open files");
    check(CreateError::Attach(attach()).into(), many_files, "Too many open files");
    check(OfferError::Share(ShareError::Os(os())).into(), many_files, "Too many open files");
    check(CreateError::Exists { name: name() }.into(), ErrorKind::AlreadyExists, "prices");
    check(AttachError::NotFound { name: name() }.into(), ErrorKind::NotFound, "prices");
    check(UnlinkError::Denied { name: name() }.into(), ErrorKind::PermissionDenied, "prices");
    check(CollectError::Failed(Fault::Truncated).into(), ErrorKind::InvalidData, "cut");
    check(JoinError::Closed.into(), ErrorKind::BrokenPipe, "closed");
    check(JoinError::Outrun.into(), ErrorKind::ResourceBusy, "try again");
    check(MonitorError::Denied { name: name() }.into(), ErrorKind::PermissionDenied, "prices");
    check(PeekError::NoRing { ring: 1, rings: 1 }.into(), ErrorKind::InvalidInput, "index 1");
    check(NameError::Empty.into(), ErrorKind::InvalidInput, "empty");
    check(ConfigError::NoElement.into(), ErrorKind::InvalidInput, "element");
    let busy = ReceiveError::Busy { path: "a.socket".into(), uid: 7 };
    check(busy.into(), ErrorKind::ResourceBusy, "a.socket");
    check(Fault::Forked.into(), ErrorKind::Unsupported, "fork");
}
