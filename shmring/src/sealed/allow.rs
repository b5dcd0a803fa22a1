//! Who is given what of an offered segment.

use crate::sealed::create::OTHERS_WRITE;

/// What a process is given of a sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Access {
    /// To take part: to attach, send and receive.
    ReadWrite,
    /// To look on as an [`Observer`](crate::observe::Observer).
    ReadOnly,
}

/// Who is given what of an offered segment: by user, or else by group. This process's own
/// user always takes part, since it could get at the segment anyway.
///
/// What counts is the effective user and the effective group that a process had when it
/// connected, as the kernel tells; groups that it is in besides are not told, and do not
/// count.
#[derive(Clone, Debug)]
#[must_use]
pub struct AllowList {
    own_uid: u32,
    uids: Vec<u32>,
    observer_uids: Vec<u32>,
    gids: Vec<u32>,
}

impl AllowList {
    /// Nobody but this process's own user.
    pub fn new() -> Self {
        let own_uid = nix::unistd::geteuid().as_raw();
        Self { own_uid, uids: Vec::new(), observer_uids: Vec::new(), gids: Vec::new() }
    }

    /// Lets a user take part.
    pub fn uid(mut self, uid: u32) -> Self {
        self.uids.push(uid);
        self
    }

    /// Lets a group take part, except for users who are listed themselves.
    pub fn gid(mut self, gid: u32) -> Self {
        self.gids.push(gid);
        self
    }

    /// Lets a user look on.
    pub fn observer_uid(mut self, uid: u32) -> Self {
        self.observer_uids.push(uid);
        self
    }

    /// What a process is given; `None`: nothing.
    pub(crate) fn access(&self, uid: u32, gid: u32) -> Option<Access> {
        if uid == self.own_uid || self.uids.contains(&uid) {
            Some(Access::ReadWrite)
        } else if self.observer_uids.contains(&uid) {
            Some(Access::ReadOnly)
        } else {
            self.gids.contains(&gid).then_some(Access::ReadWrite)
        }
    }

    /// The permission bits of a socket that those on the list can connect to.
    pub(crate) fn socket_mode(&self) -> u32 {
        let others = !(self.uids.is_empty() && self.observer_uids.is_empty());
        if others || !self.gids.is_empty() { 0o666 } else { 0o600 }
    }

    /// Whether a file of that mode lets an observer open it for writing.
    pub(crate) fn lets_observers_write(&self, mode: u32) -> bool {
        !self.observer_uids.is_empty() && mode & OTHERS_WRITE != 0
    }
}

impl Default for AllowList {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches an observer who takes part because of a group, a stranger who gets anything,
    // and a socket that those on the list cannot connect to, or everybody can for nothing.
    #[test]
    fn users_count_before_groups() {
        let own = nix::unistd::geteuid().as_raw();
        let [peer, observer, stranger] = [1, 2, 3].map(|number| own + number);
        let list = AllowList::new().uid(peer).observer_uid(observer).observer_uid(peer).gid(7);
        for (uid, gid, access) in [
            (own, 0, Some(Access::ReadWrite)),
            (peer, 0, Some(Access::ReadWrite)),
            (observer, 0, Some(Access::ReadOnly)),
            (observer, 7, Some(Access::ReadOnly)),
            (stranger, 7, Some(Access::ReadWrite)),
            (stranger, 0, None),
            (7, stranger, None),
        ] {
            assert_eq!(list.access(uid, gid), access, "uid {uid} gid {gid}");
        }
        assert_eq!(AllowList::new().access(stranger, 0), None);
        assert_eq!(AllowList::new().socket_mode(), 0o600);
        for list in [
            AllowList::new().uid(peer),
            AllowList::new().gid(7),
            AllowList::new().observer_uid(observer),
        ] {
            assert_eq!(list.socket_mode(), 0o666);
        }
        assert!(list.lets_observers_write(0o664) && list.lets_observers_write(0o646));
        assert!(!list.lets_observers_write(0o644));
        assert!(!AllowList::new().uid(peer).lets_observers_write(0o666));
    }
}
