//! Every pair of an operation and a ring that makes sense, in the scenes that do.

use shmring::{Kind, Role};

use crate::case::{Case, How, Op, Scene};

/// Rings of messages that need no answer.
const KINDS: [Kind; 6] =
    [Kind::Spsc, Kind::Mpmc, Kind::Mpsc, Kind::Spmc, Kind::Packed, Kind::Broadcast];
const EXCLUSIVE: [Kind; 4] = [Kind::Spsc, Kind::Mpsc, Kind::Packed, Kind::Broadcast];
const WITH_TICKETS: [Kind; 2] = [Kind::Mpmc, Kind::Mpsc];
const SLOTTED: [Kind; 3] = [Kind::Mpmc, Kind::Mpsc, Kind::Spmc];
const COMPETING: [Kind; 2] = [Kind::Mpmc, Kind::Spmc];
const ROOMS: [Scene; 3] = [Scene::Plain, Scene::Wrap, Scene::Tight];
const NOT_GATING: [How; 2] = [How::Lossy, How::Latest];
const ROLES: [Role; 2] = [Role::Producer, Role::Consumer];

/// A name, and the cases.
type Group = (&'static str, fn() -> Vec<Case>);

/// The groups, one for each test.
pub(crate) const GROUPS: [Group; 8] = [
    ("sending", sending),
    ("receiving", receiving),
    ("attaching", attaching),
    ("joining", joining),
    ("cleaning", cleaning),
    ("waking", waking),
    ("selecting", selecting),
    ("jobs", jobs),
];

fn product(ops: &[Op], kinds: &[Kind], scenes: &[Scene]) -> Vec<Case> {
    let pairs = ops.iter().flat_map(|&op| kinds.iter().map(move |&kind| (op, kind)));
    let cases = pairs.flat_map(|(op, kind)| scenes.iter().map(move |&scene| (op, kind, scene)));
    cases.map(|(op, kind, scene)| Case { op, kind, scene, how: How::Gating }).collect()
}

/// As [`product`], of subscribers of a broadcast ring.
fn subscribed(hows: &[How], ops: &[Op], scenes: &[Scene]) -> Vec<Case> {
    let cases = product(ops, &[Kind::Broadcast], scenes).into_iter();
    cases.flat_map(|case| hows.iter().map(move |&how| Case { how, ..case })).collect()
}

fn sending() -> Vec<Case> {
    let mut cases = product(&[Op::Send, Op::Reserve, Op::SendBatch], &KINDS, &ROOMS);
    cases.extend(product(&[Op::Abort], &KINDS, &[Scene::Plain]));
    let ops = [Op::Send, Op::Reserve, Op::SendBatch, Op::Abort];
    cases.extend(product(&ops, &SLOTTED, &[Scene::Spans]));
    cases.extend(product(&[Op::Send, Op::SendBatch], &WITH_TICKETS, &[Scene::Ticket]));
    cases
}

fn receiving() -> Vec<Case> {
    let mut cases = product(&[Op::Recv, Op::RecvBatch], &KINDS, &ROOMS);
    cases.extend(product(&[Op::Peek], &EXCLUSIVE, &ROOMS));
    cases.extend(product(&[Op::Recv, Op::RecvBatch], &SLOTTED, &[Scene::Spans]));
    cases.extend(product(&[Op::Peek], &[Kind::Mpsc], &[Scene::Spans]));
    cases.extend(product(&[Op::Recv, Op::RecvBatch], &WITH_TICKETS, &[Scene::Ticket]));
    let overrun = ROOMS.into_iter().chain([Scene::Overrun]).collect::<Vec<_>>();
    cases.extend(subscribed(&NOT_GATING, &[Op::Recv], &overrun));
    cases.extend(subscribed(&[How::Lossy], &[Op::RecvBatch], &overrun));
    let verbs = [Op::Recv, Op::RecvBatch, Op::Peek];
    cases.extend(subscribed(&[How::Gating], &verbs, &[Scene::Evicted]));
    cases
}

fn attaching() -> Vec<Case> {
    product(&[Op::Attach], &[Kind::Spsc], &[Scene::Plain])
}

fn joining() -> Vec<Case> {
    let ops = ROLES.map(Op::Join).into_iter().chain(ROLES.map(Op::Leave)).collect::<Vec<_>>();
    let mut cases = product(&ops, &KINDS, &[Scene::Plain]);
    let ops = [Op::Join(Role::Consumer), Op::Leave(Role::Consumer)];
    cases.extend(subscribed(&NOT_GATING, &ops, &[Scene::Plain]));
    cases.extend(product(&[Op::Evict], &[Kind::Broadcast], &[Scene::Plain]));
    cases
}

/// The victim takes what a dead process had: a sole role, the last handle, or, when it
/// attaches, nothing but the care for it.
fn cleaning() -> Vec<Case> {
    let mut cases = product(&ROLES.map(Op::Join), &KINDS, &[Scene::Dead]);
    // With room in the tables, a process that joins has nothing to reap.
    cases.retain(|case| {
        let Op::Join(role) = case.op else { return true };
        !case.shares(role) || case.kind == Kind::Mpmc
    });
    cases.extend(product(&[Op::Attach], &[Kind::Spsc, Kind::Mpmc], &[Scene::Dead]));
    cases
}

fn waking() -> Vec<Case> {
    let ops = [Op::Send, Op::Recv];
    let mut cases = product(&ops, &KINDS, &[Scene::Sleeper, Scene::Asleep]);
    cases.extend(product(&[Op::SendBatch, Op::RecvBatch], &[Kind::Mpmc], &[Scene::Sleeper]));
    cases.extend(subscribed(&NOT_GATING, &[Op::Recv], &[Scene::Asleep]));
    cases
}

/// Waits that sleep elsewhere than in a verb of the handle; with another consumer asleep beside
/// them, and beside one that sleeps in its verb.
fn selecting() -> Vec<Case> {
    let mut cases = product(&[Op::Select, Op::Arm], &KINDS, &[Scene::Plain, Scene::Asleep]);
    // Not beside an armed handle: its process has a second thread, so each point is reached by
    // single steps, for longer than the other consumer sleeps. Random kills show that.
    cases.extend(product(&[Op::Recv, Op::Select], &COMPETING, &[Scene::Beside]));
    cases.extend(subscribed(&[How::Lossy], &[Op::Select, Op::Arm], &[Scene::Asleep]));
    cases
}

/// A worker, and whoever reaps one that died with a job in hand.
fn jobs() -> Vec<Case> {
    let rooms = [Scene::Plain, Scene::Wrap];
    let ops = [Op::Take, Op::Acknowledge, Op::GiveBack, Op::Recv];
    let mut cases = product(&ops, &[Kind::Jobs], &rooms);
    let leaving = [Op::Join(Role::Consumer), Op::Leave(Role::Consumer)];
    cases.extend(product(&leaving, &[Kind::Jobs], &[Scene::Plain]));
    cases.extend(product(&[Op::Join(Role::Consumer)], &[Kind::Jobs], &[Scene::Dead]));
    cases
}
