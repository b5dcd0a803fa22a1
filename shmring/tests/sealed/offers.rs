//! Offers: the owner of the socket's path, and what clients get.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use shmring::ShareError;
use shmring::sealed::Outcome;
use shmring::{
    AllowList, AttachOptions, Observer, Offer, OfferError, ReceiveError, RecvTimeoutError, Segment,
};

use crate::common::child::{self, pause, say};
use crate::common::{LONG, Name, SHORT, eventually, is_root, watchdog};
use crate::support::{NOBODY, Server, Socket, become_nobody, sealed, smallest};

/// Catches a segment that is not given, is another one, or whose takers do not see each
/// other live and die.
#[test]
fn a_client_that_is_given_a_segment_takes_part() {
    let _watchdog = watchdog("a_client_that_is_given_a_segment_takes_part");
    let (path, segment) = (Socket::new(), sealed());
    let server = Server::of(&segment, &path, &AllowList::new());
    let mut child = child::start("guest", &[path.text(), "stay"]);
    assert_eq!(child.hear(), "joined");
    let received = Segment::receive(&path).unwrap();
    assert_eq!(received.info().name, "sealed");
    let monitor = received.monitor().unwrap();
    let mut rx = received.consumer().unwrap();
    assert_eq!(rx.recv_timeout(LONG).unwrap(), b"from the guest");
    let observer = Observer::receive(&path).unwrap();
    assert_eq!(observer.status().unwrap().attached.len(), 3);
    child.kill();
    assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
    drop((rx, monitor));
    // Those that were given it keep it when the server is gone.
    eventually("three visits", || (server.log().len() == 3).then_some(()));
    drop((server, segment));
    let (mut tx, mut rx) = (received.producer().unwrap(), received.consumer().unwrap());
    tx.send(b"goes on").unwrap();
    assert_eq!(rx.recv().unwrap(), b"goes on");
    assert!(!Path::new(path.text()).exists());
}

/// Catches an offer of what can be truncated, and of what an observer could write to.
#[test]
fn unsafe_segments_are_not_offered() {
    let (path, name) = (Socket::new(), Name::new());
    let named = name.create(&smallest()).offer(&path, &AllowList::new()).unwrap_err();
    assert!(matches!(named, OfferError::Share(ShareError::NotSealed { .. })), "{named:?}");
    let open = Segment::create_sealed("open", &smallest().mode(0o660)).unwrap();
    let observers = AllowList::new().observer_uid(NOBODY);
    let error = open.offer(&path, &observers).unwrap_err();
    assert!(matches!(error, OfferError::ObserversCouldWrite { mode: 0o664 }), "{error:?}");
    assert!(!Path::new(path.text()).exists());
    open.offer(&path, &AllowList::new().uid(NOBODY)).unwrap();
}

/// Catches a live server that loses its name, a dead one's name that stays taken, and a
/// file that is no socket and is removed.
#[test]
fn a_name_is_taken_only_from_the_dead() {
    let _watchdog = watchdog("a_name_is_taken_only_from_the_dead");
    let (path, segment) = (Socket::new(), sealed());
    let list = AllowList::new();
    let mut child = child::start("offer", &[path.text()]);
    assert_eq!(child.hear(), "offered");
    let error = segment.offer(&path, &list).unwrap_err();
    assert!(matches!(&error, OfferError::InUse { path: p } if p == path.as_ref()), "{error:?}");
    child.kill();
    assert!(Path::new(path.text()).exists(), "the dead left nothing, so this shows nothing");
    assert!(matches!(Segment::receive(&path), Err(ReceiveError::NoServer { .. })));
    let offer = segment.offer(&path, &list).unwrap();
    assert_eq!(fs::metadata(path.text()).unwrap().permissions().mode() & 0o777, 0o600);

    // A process that took the path by force keeps it.
    fs::remove_file(path.text()).unwrap();
    let second = segment.offer(&path, &list.clone().uid(NOBODY)).unwrap();
    assert_eq!(fs::metadata(path.text()).unwrap().permissions().mode() & 0o777, 0o666);
    drop(offer);
    assert!(Path::new(path.text()).exists(), "the name of another was removed");
    drop(second);
    assert!(!Path::new(path.text()).exists());

    fs::write(path.text(), "precious").unwrap();
    let error = segment.offer(&path, &list).unwrap_err();
    assert!(matches!(error, OfferError::NotASocket { .. }), "{error:?}");
    assert_eq!(fs::read(path.text()).unwrap(), b"precious");
    let error = segment.offer("/no/such/directory/socket", &list).unwrap_err();
    assert!(matches!(&error, OfferError::Os(os) if os.call == "bind"), "{error:?}");
    let error = segment.offer(format!("/tmp/{}", "x".repeat(200)), &list).unwrap_err();
    assert!(matches!(error, OfferError::Os(_)), "{error:?}");
}

/// In a child: offers a segment until it is killed.
pub(crate) fn offer(args: &[String]) {
    let segment = sealed();
    let _offer = segment.offer(&args[0], &AllowList::new()).unwrap();
    say("offered");
    pause();
}

/// Catches two servers at one name, none where there could be one, and files left beside.
#[test]
fn of_many_that_offer_at_one_path_one_does() {
    let _watchdog = watchdog("of_many_that_offer_at_one_path_one_does");
    let (path, segment) = (Socket::new(), sealed());
    for round in 0..20 {
        if round % 2 == 1 {
            let mut child = child::start("offer", &[path.text()]);
            assert_eq!(child.hear(), "offered");
            child.kill();
        }
        let start = Barrier::new(4);
        let offers: Vec<Result<Offer, OfferError>> = thread::scope(|scope| {
            let offer = || {
                start.wait();
                segment.offer(&path, &AllowList::new())
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(offer)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let live = offers.iter().filter(|offer| offer.is_ok()).count();
        let in_use = |offer: &&_| matches!(offer, Err(OfferError::InUse { .. }));
        assert_eq!((live, offers.iter().filter(in_use).count()), (1, 3), "round {round}");
    }
    let prefix = format!(".shmring-{}-", std::process::id());
    let left: Vec<_> = fs::read_dir(std::env::temp_dir())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .collect();
    // Other tests may be about to name theirs.
    assert!(left.len() < 4, "{left:?}");
}

/// Catches a wait for a server that does not end when it comes, or never ends, and a server
/// of anybody that will do.
#[test]
fn a_server_is_waited_for_as_long_as_asked() {
    let _watchdog = watchdog("a_server_is_waited_for_as_long_as_asked");
    let (path, segment) = (Socket::new(), sealed());
    let error = Segment::receive(&path).unwrap_err();
    assert!(matches!(error, ReceiveError::NoServer { .. }), "{error:?}");
    let error = AttachOptions::new().timeout(SHORT).receive(&path).unwrap_err();
    assert!(matches!(error, ReceiveError::TimedOut { .. }), "{error:?}");

    // It listens, but does not answer.
    let mut offer = segment.offer(&path, &AllowList::new()).unwrap();
    let error = AttachOptions::new().timeout(SHORT).receive(&path).unwrap_err();
    assert!(matches!(error, ReceiveError::TimedOut { .. }), "{error:?}");
    // A client that gave up meanwhile is answered in vain.
    let visit = offer.answer(LONG).unwrap().unwrap();
    assert!(matches!(visit.outcome, Outcome::Failed(_)), "{visit}");
    assert!(offer.answer(Duration::ZERO).unwrap().is_none());
    drop(offer);

    let waiting = thread::spawn({
        let path = path.text().to_owned();
        move || AttachOptions::new().timeout(LONG).receive(path)
    });
    thread::sleep(SHORT);
    let _server = Server::of(&segment, &path, &AllowList::new());
    waiting.join().unwrap().unwrap();

    let me = segment.info().owner_uid;
    AttachOptions::new().owner(me).receive(&path).unwrap();
    let error = AttachOptions::new().owner(me + 1).receive(&path).unwrap_err();
    assert!(
        matches!(error, ReceiveError::WrongServer { expected, found, .. }
            if (expected, found) == (me + 1, me)),
        "{error:?}"
    );
}

/// In a child: offers a segment, becomes another user, and answers.
pub(crate) fn offer_and_change(args: &[String]) {
    let segment = sealed();
    let list = AllowList::new().uid(0);
    let mut offer = segment.offer(&args[0], &list).unwrap();
    become_nobody();
    say("offers");
    let error = loop {
        match offer.answer(LONG) {
            Ok(None) => {}
            Ok(Some(visit)) => panic!("{visit}"),
            Err(error) => break error,
        }
    };
    let is_denied = matches!(&error, OfferError::Share(ShareError::Denied { .. }));
    assert!(is_denied, "{error:?}");
    say(error);
}

/// Catches a server that gives to nobody any more since it became another user, and goes on
/// as if nothing were wrong.
#[test]
fn a_server_that_changes_its_user_gets_denied() {
    let _watchdog = watchdog("a_server_that_changes_its_user_gets_denied");
    if !is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let path = Socket::new();
    let mut server = child::start("offer-and-change", &[path.text()]);
    assert_eq!(server.hear(), "offers");
    let refused = Segment::receive(&path);
    assert!(matches!(refused, Err(ReceiveError::ServerFailed { .. })), "{refused:?}");
    let said = server.hear();
    assert!(said.contains("before this process changes its user"), "{said}");
}
