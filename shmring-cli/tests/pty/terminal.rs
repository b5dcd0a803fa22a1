//! A terminal that a test looks at and types into. Every wait has a bound.
//!
//! ```text
//! let mut terminal = Setup::shmring(&["top"]).size(24, 80).start();
//! terminal.wait_for_text("NAME");
//! terminal.keys("?");
//! terminal.resize(10, 40);
//! terminal.wait_for("the help", |screen| screen.contents().contains("quit"));
//! terminal.keys("q");
//! terminal.end().expect_code(0).expect_clean();
//! ```

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, tcgetattr};
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use vt100::{Color, Parser, Screen};

use crate::support::{default_signals, eventually, eventually_or, in_time, signal_to};

/// What every terminal had once, and what is promised to do.
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// What shall run in a terminal.
pub(crate) struct Setup {
    command: Command,
    rows: u16,
    columns: u16,
}

impl Setup {
    /// The command with those arguments; stdin, stdout and stderr are the terminal.
    pub(crate) fn shmring(args: &[&str]) -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_shmring")).args(args))
    }

    /// A shell script, in which `shmring` is the command.
    pub(crate) fn shell(script: &str) -> Self {
        let script = format!("shmring() {{ {} \"$@\"; }}\n{script}", env!("CARGO_BIN_EXE_shmring"));
        Self::of(Command::new("sh").args(["-c", &script]))
    }

    fn of(command: Command) -> Self {
        // What whoever runs the tests has set must not decide.
        let command = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "COLORTERM"]
            .iter()
            .fold(command.env("TERM", "xterm-256color"), |command, name| command.env_remove(name));
        Self { command, rows: ROWS, columns: COLUMNS }
    }

    pub(crate) fn size(self, rows: u16, columns: u16) -> Self {
        Self { rows, columns, ..self }
    }

    pub(crate) fn env(self, name: &str, value: &str) -> Self {
        Self { command: self.command.env(name, value), ..self }
    }

    /// Something else than the terminal to read from.
    pub(crate) fn stdin(self, stdin: impl Into<Stdio>) -> Self {
        Self { command: self.command.stdin(stdin), ..self }
    }

    /// Something else than the terminal to write to.
    pub(crate) fn stdout(self, stdout: impl Into<Stdio>) -> Self {
        Self { command: self.command.stdout(stdout), ..self }
    }

    pub(crate) fn start(self) -> Terminal {
        default_signals();
        let (pty, pts) = open().expect("a terminal");
        pty.resize(Size::new(self.rows, self.columns)).expect("resize");
        let child = self.command.spawn(pts).expect("spawn");
        // One that does not tell its size has one all the same.
        let (rows, columns) = match (self.rows, self.columns) {
            (0, 0) => (ROWS, COLUMNS),
            size => size,
        };
        let shown = Arc::new(Mutex::new(Shown {
            parser: Parser::new(rows, columns, 0),
            bytes: Vec::new(),
        }));
        let (pty, reading) = (Arc::new(pty), Arc::new(AtomicU8::new(Reading::On as u8)));
        let (source, out, how) = (Arc::clone(&pty), Arc::clone(&shown), Arc::clone(&reading));
        let reader = thread::spawn(move || show(&source, &out, &how));
        Terminal { pty, child, shown, reading, reader: Some(reader) }
    }
}

/// What the program wrote, and what a terminal makes of it.
struct Shown {
    parser: Parser,
    bytes: Vec<u8>,
}

/// What a terminal does with what is written to it.
enum Reading {
    /// It shows it.
    On,
    /// It leaves it where it is.
    Paused,
    /// It is closed.
    Over,
}

/// Shows what is written, until nobody has the terminal open any more.
fn show(mut pty: &Pty, shown: &Mutex<Shown>, reading: &AtomicU8) {
    const PATIENCE_MS: u8 = 10;
    let mut buffer = [0; 4096];
    let is = |how: Reading| reading.load(Ordering::Relaxed) == how as u8;
    while !is(Reading::Over) {
        let mut fds = [PollFd::new(pty.as_fd(), PollFlags::POLLIN)];
        if is(Reading::Paused) || poll(&mut fds, PATIENCE_MS) == Ok(0) {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        // Reading fails when nobody is there.
        let Ok(count @ 1..) = pty.read(&mut buffer) else {
            return;
        };
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.parser.process(&buffer[..count]);
        shown.bytes.extend(&buffer[..count]);
    }
}

/// A terminal with a program in it, which does not outlive its test.
pub(crate) struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    shown: Arc<Mutex<Shown>>,
    reading: Arc<AtomicU8>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types. `\x03` is Ctrl-C, `\x04` Ctrl-D, `\x13` and `\x11` stop and start the output.
    pub(crate) fn keys(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("a terminal that takes keys");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal_to(self.pid(), signal);
    }

    /// Shows nothing, as after something else has drawn on it.
    pub(crate) fn clear(&self) {
        self.with(|shown| shown.parser.process(b"\x1b[2J"));
    }

    /// Takes nothing more of what is written, as if it had crashed or its line had.
    pub(crate) fn stand_still(&self) {
        self.reading.store(Reading::Paused as u8, Ordering::Relaxed);
    }

    /// Waits for the end of the program, while the terminal may stand still; then it no longer
    /// does.
    pub(crate) fn wait_for_end(&mut self) {
        eventually("the end of a program", || self.child.try_wait().expect("wait").is_some());
        self.reading.store(Reading::On as u8, Ordering::Relaxed);
    }

    /// Closes the terminal, as whoever closes its window does; how the program ends then.
    pub(crate) fn close(mut self) -> ExitStatus {
        self.reading.store(Reading::Over as u8, Ordering::Relaxed);
        let reader = self.reader.take().expect("a reader");
        in_time("the end of the reader", move || reader.join().expect("a reader"));
        let Self { pty, child, .. } = &mut self;
        // The last one who has it.
        let (closed, _) = open().expect("a terminal");
        drop(std::mem::replace(pty, Arc::new(closed)));
        eventually("the end of a program", || child.try_wait().expect("wait").is_some());
        child.wait().expect("wait")
    }

    /// Gives the terminal another size, as whoever drags its window does.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.with(|shown| shown.parser.screen_mut().set_size(rows, columns));
        self.pty.resize(Size::new(rows, columns)).expect("resize");
    }

    fn with<T>(&self, look: impl FnOnce(&mut Shown) -> T) -> T {
        look(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The rows of the screen, without what is blank at their ends.
    pub(crate) fn text(&self) -> String {
        self.with(|shown| shown.parser.screen().contents())
    }

    /// Waits until the screen is as described.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let why_not = || format!("waited in vain for {what} on the screen:\n{}", self.text());
        eventually_or(why_not, || self.with(|shown| is_so(shown.parser.screen())));
    }

    #[track_caller]
    pub(crate) fn wait_for_text(&self, text: &str) {
        self.wait_for(text, |screen| screen.contents().contains(text));
    }

    /// Whether keys are shown and come by the line, as a shell expects.
    pub(crate) fn is_cooked(&self) -> bool {
        let flags = tcgetattr(&*self.pty).expect("tcgetattr").local_flags;
        flags.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }

    /// Waits for the end of the program, and of all that have the terminal open.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        eventually("the end of a program", || self.child.try_wait().expect("wait").is_some());
        let status = self.child.wait().expect("wait");
        let is_cooked = self.is_cooked();
        let reader = self.reader.take().expect("one end");
        in_time("the end of the output", move || reader.join().expect("a reader"));
        let (screen, bytes) =
            self.with(|shown| (shown.parser.screen().clone(), shown.bytes.clone()));
        Ended { status, is_cooked, screen, bytes }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a program ended, and the terminal that it left.
pub(crate) struct Ended {
    status: ExitStatus,
    is_cooked: bool,
    screen: Screen,
    pub(crate) bytes: Vec<u8>,
}

impl Ended {
    pub(crate) fn text(&self) -> String {
        self.screen.contents()
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{:?}\n{}", self.status, self.text());
        self
    }

    #[track_caller]
    pub(crate) fn expect_signal(self, signal: Signal) -> Self {
        assert_eq!(self.status.signal(), Some(signal as i32), "{:?}\n{}", self.status, self.text());
        self
    }

    #[track_caller]
    pub(crate) fn expect_cooked(self) -> Self {
        assert!(self.is_cooked, "keys are not as they were");
        self
    }

    /// The terminal is as a shell expects it: nothing is left of what was drawn but whole
    /// lines, the cursor is shown and at the start of a line, and keys are as they were.
    #[track_caller]
    pub(crate) fn expect_clean(self) -> Self {
        let this = self.expect_cooked();
        let screen = &this.screen;
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.alternate_screen(), "the other screen is shown");
        assert!(!screen.bracketed_paste() && !screen.application_cursor(), "keys mean otherwise");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert_eq!((screen.fgcolor(), screen.bgcolor()), (Color::Default, Color::Default));
        assert!(!screen.bold() && !screen.inverse(), "text is written otherwise");
        // Ctrl-C shows as `^C` where it was typed.
        let (row, column) = screen.cursor_position();
        let before = screen.rows(0, column).nth(usize::from(row)).unwrap_or_default();
        assert!(before.is_empty() || before == "^C", "{before:?} is left before the cursor");
        this
    }
}
