//! Which users and groups get access to an offered segment.

use crate::sealed::create::OTHERS_WRITE;

/// The access to a sealed segment that a server gives to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Access {
    /// To attach, send and receive.
    ReadWrite,
    /// To open an [`Observer`](crate::observe::Observer).
    ReadOnly,
}

/// The users and groups that get access to an offered segment. An entry for a user takes precedence
/// over one for its group. The server's own user always gets read-write access, since its processes
/// could reach the segment anyway.
///
/// The server compares the effective uid and gid that the client had when it connected, which the
/// kernel reports. Supplementary groups are not reported, and do not count.
#[derive(Clone, Debug)]
#[must_use]
pub struct AllowList {
    own_uid: u32,
    uids: Vec<u32>,
    observer_uids: Vec<u32>,
    gids: Vec<u32>,
}

impl AllowList {
    /// Returns a list with only this process's own user.
    pub fn new() -> Self {
        let own_uid = nix::unistd::geteuid().as_raw();
        Self { own_uid, uids: Vec::new(), observer_uids: Vec::new(), gids: Vec::new() }
    }

    /// Gives a user read-write access.
    pub fn uid(mut self, uid: u32) -> Self {
        self.uids.push(uid);
        self
    }

    /// Gives a group read-write access, except for users with their own entry.
    pub fn gid(mut self, gid: u32) -> Self {
        self.gids.push(gid);
        self
    }

    /// Gives a user read-only access, for observers.
    pub fn observer_uid(mut self, uid: u32) -> Self {
        self.observer_uids.push(uid);
        self
    }

    /// Returns the access of a process; `None` if it has none.
    pub(crate) fn access(&self, uid: u32, gid: u32) -> Option<Access> {
        if uid == self.own_uid || self.uids.contains(&uid) {
            Some(Access::ReadWrite)
        } else if self.observer_uids.contains(&uid) {
            Some(Access::ReadOnly)
        } else {
            self.gids.contains(&gid).then_some(Access::ReadWrite)
        }
    }

    /// Returns the mode of a socket to which those on the list can connect.
    pub(crate) fn socket_mode(&self) -> u32 {
        let others = !(self.uids.is_empty() && self.observer_uids.is_empty());
        if others || !self.gids.is_empty() { 0o666 } else { 0o600 }
    }

    /// Returns `true` if an observer could open a file of that mode for writing.
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

    // Catches an observer that gets read-write access through its group, a user that is not listed
    // and gets access, and a socket mode that is too narrow or too wide for the list.
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
