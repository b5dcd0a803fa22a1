//! Colours are for terminals, and for those who want them.

use crate::support::Running;
use crate::support::{Ended, run, shmring};
use crate::terminal::Setup;

fn has_escapes(bytes: &[u8]) -> bool {
    bytes.contains(&0x1b)
}

fn shown(setup: Setup) -> Vec<u8> {
    let ended = setup.size(200, 80).start().end().expect_code(0).expect_clean();
    assert!(ended.text().contains("/dev/shm"), "{}", ended.text());
    ended.bytes
}

fn piped(args: &[&str]) -> Ended {
    let mut command = shmring(args);
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env("TERM", "xterm-256color");
    Running::spawn(&mut command).end().expect_code(0)
}

// Catches colours in a file, or in spite of NO_COLOR, or none for who asks for them.
#[test]
fn where_colours_are() {
    let doctor = || Setup::shmring(&["doctor"]);
    assert!(has_escapes(&shown(doctor())));
    assert!(!has_escapes(&shown(doctor().env("NO_COLOR", "1"))));
    assert!(!has_escapes(&shown(doctor().env("TERM", "dumb"))));
    assert!(!has_escapes(&shown(Setup::shmring(&["doctor", "--color", "never"]))));
    let always = Setup::shmring(&["--color", "always", "doctor"]).env("NO_COLOR", "1");
    assert!(has_escapes(&shown(always)));
    assert!(!has_escapes(&piped(&["doctor"]).stdout));
    assert!(!has_escapes(&piped(&["doctor", "--json"]).stdout));
    assert!(has_escapes(&piped(&["doctor", "--color", "always"]).stdout));
    run(&["doctor", "--color", "blue"]).expect_code(2).expect_stderr("auto");
}

// Catches help and errors that are coloured against one's wish.
#[test]
fn help_and_errors() {
    for args in [&["--help"][..], &["nonsense"]] {
        let bytes = |setup: Setup| setup.size(200, 80).start().end().expect_clean().bytes;
        assert!(has_escapes(&bytes(Setup::shmring(args))));
        assert!(!has_escapes(&bytes(Setup::shmring(args).env("NO_COLOR", "1"))));
    }
}
