//! A screen that ends by a panic, in a process and a terminal of its own.

use std::env;
use std::io::Read;
use std::time::Duration;

use nix::sys::termios::LocalFlags;
use pty_process::Size;
use pty_process::blocking::{Command, open};
use vt100::Parser;

use super::super::guard::guarded;
use super::*;

const IS_CHILD: &str = "SHMRING_TEST_IS_CHILD";

/// Shows a screen and panics.
fn err() {
    let mistake = guarded(|| {
        let mut screen = Screen::new(Tty::open().expect("keys")).expect("a screen");
        let mut state = State::new(Duration::from_secs(1));
        screen.draw(&mut state, Theme::of_terminal()).expect("a drawing");
        panic!("no such row");
    });
    println!("told: {}", mistake.err().unwrap_or_default());
}

// Catches a panic that leaves the terminal unusable, or whose message is lost.
#[test]
fn a_mistake_leaves_the_terminal_clean() {
    if env::var_os(IS_CHILD).is_some() {
        return err();
    }
    let (mut pty, pts) = open().expect("a terminal");
    pty.resize(Size::new(24, 80)).expect("resize");
    let this = "top::screen::tests::a_mistake_leaves_the_terminal_clean";
    let command = Command::new(env::current_exe().expect("this program"));
    let command = command.args([this, "--exact", "--nocapture"]).env(IS_CHILD, "1");
    let mut child = command.env("TERM", "xterm").spawn(pts).expect("spawn");
    let (mut parser, mut shown, mut buffer) = (Parser::new(24, 80, 0), Vec::new(), [0; 4096]);
    // The read fails when no process has the terminal open any more.
    while let Ok(count @ 1..) = pty.read(&mut buffer) {
        parser.process(&buffer[..count]);
        shown.extend(&buffer[..count]);
    }
    assert!(child.wait().expect("wait").success());
    let screen = parser.screen();
    let text = screen.contents().replace('\n', "");
    assert!(text.contains("told: a mistake of this program: \"no such row\""), "{text}");
    assert!(text.contains("please report it") && !text.contains("panicked"), "{text}");
    let drawn = String::from_utf8_lossy(&shown);
    assert!(drawn.contains("shmring top"), "nothing was shown before: {drawn:?}");
    assert!(!screen.alternate_screen() && !screen.hide_cursor());
    let flags = tcgetattr(&pty).expect("tcgetattr").local_flags;
    assert!(flags.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG));
}
