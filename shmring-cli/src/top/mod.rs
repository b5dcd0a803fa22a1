//! A live table of all segments.
//!
//! Threads (`sources`) send keys, signals and samples of the segments as one enum (`event`).
//! The main thread updates the state (`state`), a pure function of the events, and draws it
//! (`draw`), a pure function of the state. `screen` sets up the terminal, and restores it
//! however the program ends.

mod columns;
mod draw;
mod event;
mod guard;
mod keys;
mod screen;
mod sources;
mod state;
mod theme;
mod watch;

use std::io;
use std::iter;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, raise};
use ratatui::termion::terminal_size;

pub(crate) use columns::Column;
use event::{Action, Event};
use guard::guarded;
use screen::{Screen, Tty};
use state::State;
use theme::Theme;
pub(crate) use watch::Watch;

use crate::process::stop::{Exit, Stop};

/// The capacity of the channel of events. A thread that sends more waits, so that a stopped
/// terminal does not make this process grow.
const MAX_EVENTS: usize = 64;

/// Shows the table until the user or a signal ends it.
pub(crate) fn show(interval: Duration) -> Result<(), Stop> {
    if terminal_size().map_err(terminal)?.0 == 0 {
        let message = "the terminal does not tell its size; `stty rows 24 columns 80` sets it";
        return Err(Stop::new(Exit::Failed, message));
    }
    let tty = Tty::open().map_err(terminal)?;
    let (events, happened) = sync_channel(MAX_EVENTS);
    let (paces, asked) = channel();
    // Before the screen is set up, so that a signal does not leave it behind.
    let clone = tty.try_clone().map_err(terminal)?;
    let _signals = sources::Signals::take(clone, events.clone()).map_err(terminal)?;
    let shown = guarded(|| {
        let clone = tty.try_clone()?;
        let screen = Screen::new(tty)?;
        sources::keys(clone, events.clone())?;
        sources::looks(interval, asked, events)?;
        run(screen, State::new(interval), &happened, &paces)
    });
    match shown {
        Ok(Ok(end)) => end,
        Ok(Err(error)) => Err(terminal(error)),
        Err(mistake) => Err(Stop::new(Exit::Failed, mistake)),
    }
}

/// Returns the error for a terminal that fails.
fn terminal(error: io::Error) -> Stop {
    // A terminal that is gone fails so, before the signal that reports it.
    if error.raw_os_error() == Some(Errno::EIO as i32) {
        return Stop::Signal(Signal::SIGHUP as i32);
    }
    Stop::new(Exit::Failed, format!("the terminal: {error}"))
}

/// Applies events and draws the state. Returns the result of the verb.
fn run(
    mut screen: Screen,
    mut state: State,
    happened: &Receiver<Event>,
    paces: &Sender<Duration>,
) -> io::Result<Result<(), Stop>> {
    let theme = Theme::of_terminal();
    loop {
        screen.draw(&mut state, theme)?;
        let Ok(first) = happened.recv() else {
            return Ok(Ok(()));
        };
        // Apply all events that have come before the next drawing.
        for event in iter::once(first).chain(happened.try_iter().take(MAX_EVENTS)) {
            match state.handle(event) {
                None => {}
                Some(Action::Quit) => return Ok(Ok(())),
                Some(Action::Die(signal)) => return Ok(Err(Stop::Signal(signal as i32))),
                Some(Action::Fail(why)) => return Ok(Err(Stop::new(Exit::Failed, why))),
                Some(Action::Suspend) => suspend(&mut screen)?,
                Some(Action::Restore) => screen.restore()?,
                // If the sampling thread has ended, an event reports that.
                Some(Action::Every(interval)) => drop(paces.send(interval)),
            }
        }
    }
}

/// Stops the process as Ctrl-Z does, and returns after SIGCONT. The kernel does not stop a process
/// of an orphaned process group, which no shell could continue.
fn suspend(screen: &mut Screen) -> io::Result<()> {
    screen.leave()?;
    let stop = SigSet::from(Signal::SIGTSTP);
    stop.thread_unblock()?;
    raise(Signal::SIGTSTP)?;
    stop.thread_block()?;
    screen.restore()
}

#[cfg(test)]
mod fixture;
