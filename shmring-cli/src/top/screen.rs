//! Sets up the terminal, and restores it in every case.

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

/// Large enough that most drawings are one write.
const BUFFER_BYTES: usize = 64 << 10;

type Output = BufWriter<File>;

/// A terminal to read keys from: one by one and without echo while a screen is shown.
#[derive(Debug)]
pub(crate) struct Tty {
    file: File,
    /// The mode to restore.
    before: Termios,
}

impl Tty {
    /// Opens stdin if it is a terminal, or else the controlling terminal.
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

    /// Restores the mode. It does not wait for output, so it works on a stopped terminal.
    pub(crate) fn give_back(&self) -> io::Result<()> {
        Ok(tcsetattr(&self.file, SetArg::TCSANOW, &self.before)?)
    }
}

/// The alternate screen. The drop restores the terminal.
#[derive(Debug)]
pub(crate) struct Screen {
    tty: Tty,
    /// `None` once the terminal is restored.
    terminal: Option<Terminal<TermionBackend<Output>>>,
}

impl Screen {
    /// Sets the terminal up.
    ///
    /// # Errors
    /// If that fails; the terminal is then as before.
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

    /// Restores the terminal, until `restore` sets it up again.
    pub(crate) fn leave(&mut self) -> io::Result<()> {
        // Restore the keys in any case.
        let keys = self.tty.give_back();
        self.write(format_args!("{}{}", cursor::Show, screen::ToMainScreen))?;
        keys
    }

    /// Sets the terminal up again, and makes the next drawing a complete one.
    pub(crate) fn restore(&mut self) -> io::Result<()> {
        self.enter()?;
        let Some(terminal) = &mut self.terminal else {
            return Ok(());
        };
        // This clears, too. `clear` would ask the terminal for the position of the cursor, and
        // the answer would come among the keys.
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
            // Its drop would show the cursor again, and print an error if the terminal is
            // gone.
            std::mem::forget(terminal);
        }
    }
}

#[cfg(test)]
mod tests;
