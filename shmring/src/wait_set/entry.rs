//! One handle of a set.

use std::sync::Arc;

use super::Key;
use crate::endpoint::watch::{Keeper, Watch};
use crate::ring::wake::Armed;
use crate::sync::WaitWord;

pub(super) struct Entry {
    key: Key,
    watch: Arc<Watch>,
    /// What the last look found.
    is_ready: bool,
    /// What the park word holds as long as nothing came, if the bit was left set: nothing was there
    /// then. So what a wait costs does not grow with the handles to which nothing comes.
    kept: Option<u32>,
}

impl Entry {
    pub(super) fn new(key: Key, watch: Arc<Watch>) -> Self {
        Self { key, watch, is_ready: false, kept: None }
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }

    pub(super) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Looks whether the handle is ready, if that can have changed: if the bit was left set, only
    /// by what was [noted](Self::note_wake), unless the `whole` truth is wanted.
    pub(super) fn look(&mut self, keeper: Keeper, whole: bool) -> bool {
        if whole {
            self.kept = self.kept.filter(|&seen| self.watch.is_kept(keeper, seen));
        }
        self.is_ready = self.kept.is_none() && self.watch.is_ready();
        self.is_ready
    }

    /// Notes that the park word was woken.
    pub(super) fn note_wake(&mut self) {
        self.kept = None;
    }

    /// Whether the bit was left set.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Sets the bit, unless it was left set, or the handle was dropped.
    pub(super) fn set_bit(&self, keeper: Keeper) -> Option<Armed<'_>> {
        if self.is_kept() { None } else { self.watch.set_bit(Some(keeper)) }
    }

    /// After [`Watch::disarm`].
    pub(super) fn set_kept(&mut self, seen: u32) {
        self.kept = Some(seen);
    }

    /// Returns the park word, and what it holds as long as nothing came, if the bit was left set.
    pub(super) fn kept_word(&self) -> Option<(&WaitWord, u32)> {
        let seen = self.kept?;
        Some((self.watch.park_word()?, seen))
    }

    /// Takes the bit back, if it was left set.
    pub(super) fn release(&mut self, keeper: Keeper) {
        if self.kept.take().is_some() {
            self.watch.release(keeper);
        }
    }

    /// Before the handle leaves the set.
    pub(super) fn leave(&mut self, keeper: Keeper) {
        if !self.watch.is_forked() {
            self.release(keeper);
            self.watch.pay();
        }
    }
}
