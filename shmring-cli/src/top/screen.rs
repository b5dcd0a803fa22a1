//! The terminal: what is done to it, and undone however this ends.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use ratatui::Terminal;
use ratatui::backend::TermionBackend;
use ratatui::termion::{cursor, screen};

use super::draw::draw;
use super::state::State;
use super::theme::Theme;

/// One drawing is one write, mostly.
const BUFFER_BYTES: usize = 64 << 10;

type Output = BufWriter<File>;

/// A terminal that keys come from: one by one and unechoed while a screen is shown.
#[derive(Debug)]
pub(crate) struct Tty {
    file: File,
    /// How keys come else.
    before: Termios,
}

impl Tty {
    /// Of the terminal that stdin is, or else of the one that this process belongs to.
    pub(crate) fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        let file = match stdin.is_terminal() {
            true => File::from(stdin.as_fd().try_clone_to_owned()?),
            false => File::open("/dev/tty")?,
        };
        Self::of(file)
    }

    fn of(file: File) -> io::Result<Self> {
        let before = tcgetattr(&file)?;
        Ok(Self { file, before })
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, before: self.before.clone() })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    fn take(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        cfmakeraw(&mut raw);
        Ok(tcsetattr(&self.file, SetArg::TCSANOW, &raw)?)
    }

    /// As they were. Waits for nothing, so it works on a terminal that stands still.
    pub(crate) fn give_back(&self) -> io::Result<()> {
        Ok(tcsetattr(&self.file, SetArg::TCSANOW, &self.before)?)
    }
}

/// A screen of this program's own, which gives the terminal back when it is dropped.
#[derive(Debug)]
pub(crate) struct Screen {
    tty: Tty,
    /// Nothing once it is given back.
    terminal: Option<Terminal<TermionBackend<Output>>>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// If that fails; then nothing of it is left.
    pub(crate) fn new(tty: Tty) -> io::Result<Self> {
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Self::on(tty, output)
    }

    fn on(tty: Tty, output: File) -> io::Result<Self> {
        let output = BufWriter::with_capacity(BUFFER_BYTES, output);
        let terminal = Terminal::new(TermionBackend::new(output))?;
        let mut screen = Self { tty, terminal: Some(terminal) };
        screen.enter()?;
        Ok(screen)
    }

    fn enter(&mut self) -> io::Result<()> {
        self.tty.take()?;
        self.write(format_args!("{}{}", screen::ToAlternateScreen, cursor::Hide))
    }

    /// Gives the terminal back, until `restore`.
    pub(crate) fn leave(&mut self) -> io::Result<()> {
        // The keys in any case.
        let keys = self.tty.give_back();
        self.write(format_args!("{}{}", cursor::Show, screen::ToMainScreen))?;
        keys
    }

    /// Takes the terminal over once more, and draws all of it at the next drawing.
    pub(crate) fn restore(&mut self) -> io::Result<()> {
        self.enter()?;
        let Some(terminal) = &mut self.terminal else {
            return Ok(());
        };
        // Clears, too; what is called so asks the terminal where the cursor is, whose answer comes
        // among the keys.
        let size = terminal.size()?;
        terminal.resize(size.into())
    }

    pub(crate) fn draw(&mut self, state: &mut State, theme: Theme) -> io::Result<()> {
        match &mut self.terminal {
            Some(terminal) => terminal.draw(|frame| draw(frame, state, theme)).map(|_| ()),
            None => Ok(()),
        }
    }

    fn write(&mut self, sequence: std::fmt::Arguments<'_>) -> io::Result<()> {
        let Some(terminal) = &mut self.terminal else {
            return Ok(());
        };
        let output = terminal.backend_mut();
        output.write_fmt(sequence)?;
        Write::flush(output)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let is_gone = self.leave().is_err();
        if let Some(terminal) = self.terminal.take().filter(|_| is_gone) {
            // Dropped, it would show the cursor once more, and complain on a terminal that is
            // not there.
            std::mem::forget(terminal);
        }
    }
}

#[cfg(test)]
mod tests;
