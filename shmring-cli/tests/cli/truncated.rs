//! A segment whose file somebody cuts short: no process dies of it.

use std::fs::File;

use crate::support::{Name, seq, start};

// Catches a transfer that the kernel kills, and one that goes on or ends as if all was
// well. The sender is told by its next message, the receiver while it waits.
#[test]
fn a_transfer_ends_with_words() {
    for name in [Name::with_ring("64K"), Name::with_slots("mpmc", "256", "64")] {
        let (mut send, mut recv) = (start(&["send", &name.0]), start(&["recv", &name.0]));
        send.write(&seq(1, 3));
        assert_eq!(recv.read(6), seq(1, 3));
        let file = File::options().write(true).open(name.path()).expect("open");
        file.set_len(0).expect("cut");
        drop(file);
        // More than one batch.
        send.write(&seq(1, 3000));
        for running in [send, recv] {
            running.end().expect_code(6).expect_stderr("cut the segment's file short");
        }
    }
}
