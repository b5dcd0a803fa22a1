//! Segments that lost their name, and processes that are attached twice.

use shmring::{Config, CreateError, JoinError, Observer, Segment};

use crate::common::child::{self, pause, say};
use crate::common::{Name, eventually, watchdog};
use crate::scene::{Scene, serve};

/// Catches a look at the dead that needs the name.
#[test]
fn an_unlinked_segment_still_knows_its_dead() {
    let _watchdog = watchdog("an_unlinked_segment_still_knows_its_dead");
    let mut scene = Scene::new();
    let mut child = child::start("hold", &[&scene.name]);
    let pid = child.pid();
    assert_eq!(child.hear(), pid.to_string());
    Segment::unlink(&scene.name).unwrap();
    scene.assert_alive(pid, &mut child);
    child.kill();
    scene.assert_found_dead(pid);
}

/// Catches a death or a life that is looked for in the segment that has the name now: the
/// entries are the same, the tokens are not.
#[test]
fn segments_of_one_name_keep_their_dead_apart() {
    let _watchdog = watchdog("segments_of_one_name_keep_their_dead_apart");
    let mut old = Scene::new();
    let mut first = child::start("hold", &[&old.name]);
    assert_eq!(first.hear(), first.pid().to_string());
    Segment::unlink(&old.name).unwrap();
    let mut new = Scene::of(Name::of(old.name.to_string()));
    let mut second = child::start("hold", &[&new.name]);
    assert_eq!(second.hear(), second.pid().to_string());
    first.kill();
    old.assert_found_dead(first.pid());
    new.assert_alive(second.pid(), &mut second);
    second.kill();
    new.assert_found_dead(second.pid());
}

/// Catches an observer of a replaced segment that sees the new one's living in the place of
/// the old one's dead.
#[test]
fn a_replaced_segment_keeps_its_dead() {
    let _watchdog = watchdog("a_replaced_segment_keeps_its_dead");
    let name = Name::new();
    let smallest = Config::spsc().capacity_bytes(4096);
    {
        let _quiet = child::quiet();
        drop(name.create(&smallest));
    }
    let mut first = child::start("hold", &[&name]);
    assert_eq!(first.hear(), first.pid().to_string());
    let observer = Observer::open(&name).unwrap();
    let seen = || observer.status().unwrap().attached;
    assert!(seen().len() == 1 && seen()[0].alive);
    let refused = Segment::recreate(&name, &smallest);
    assert!(matches!(refused, Err(CreateError::InUse { .. })), "{refused:?}");
    first.kill();
    let new = eventually("nobody is attached", || Segment::recreate(&name, &smallest).ok());
    assert!(seen().len() == 1 && !seen()[0].alive, "{:?}", seen());
    assert_eq!(seen()[0].pid as i32, first.pid());
    assert!(new.status().unwrap().attached[0].alive);
}

/// In a child: attaches twice, and gives up the attach that the second argument names.
pub(crate) fn twice(args: &[String]) {
    let attach = || Segment::attach(&args[0]).unwrap();
    let (first, second) = (attach(), attach());
    let (gone, stays) = if args[1] == "first" { (first, second) } else { (second, first) };
    let tx = gone.producer().unwrap();
    assert!(matches!(stays.producer(), Err(JoinError::RoleTaken { .. })));
    say("twice");
    pause();
    drop((tx, gone));
    say("once");
    pause();
    let tx = stays.producer().unwrap();
    say("holds");
    serve(tx);
}

/// Catches attaches of one process that are taken for one: the end of either must end
/// nothing but what it had.
#[test]
fn two_attaches_of_a_process_live_and_end_apart() {
    let _watchdog = watchdog("two_attaches_of_a_process_live_and_end_apart");
    for gone in ["first", "second"] {
        let mut scene = Scene::new();
        let mut child = child::start("twice", &[&scene.name, gone]);
        let pid = child.pid();
        assert_eq!(child.hear(), "twice");
        let listed = scene.listed(pid);
        assert!(listed.len() == 2 && listed.iter().all(|attach| attach.alive), "{listed:?}");
        child.go();
        assert_eq!(child.hear(), "once");
        let listed = scene.listed(pid);
        assert!(listed.len() == 1 && listed[0].alive, "{listed:?}");
        drop(scene.segment.producer().expect("the role of the attach that ended"));
        child.go();
        assert_eq!(child.hear(), "holds");
        scene.assert_alive(pid, &mut child);
        child.kill();
        scene.assert_found_dead(pid);
    }
}

/// Catches an attach of a process that is still alive when the process is dead.
#[test]
fn all_attaches_of_a_process_die_with_it() {
    let _watchdog = watchdog("all_attaches_of_a_process_die_with_it");
    let mut scene = Scene::new();
    let mut child = child::start("twice", &[&scene.name, "first"]);
    let pid = child.pid();
    assert_eq!(child.hear(), "twice");
    child.kill();
    eventually("both are dead", || {
        scene.listed(pid).iter().all(|attach| !attach.alive).then_some(())
    });
    assert_eq!(scene.listed(pid).len(), 2);
    scene.assert_found_dead(pid);
    assert_eq!(scene.segment.status().unwrap().repairs, 2);
}
