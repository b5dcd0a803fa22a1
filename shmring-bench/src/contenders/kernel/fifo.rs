//! A named pipe, which both ends open by its name.

use std::fs::OpenOptions;
use std::path::PathBuf;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::frames::{FrameReceiver, FrameSender};
use super::pipe;
use crate::contender::{BoxError, Contender, Nature, Place, Prepared, Setting};
use crate::name::unused;

/// See the module.
#[derive(Debug)]
pub struct Fifo;

/// A file that is removed when this is dropped.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        // It can only be gone already, which is what is wanted.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Contender for Fifo {
    const NAME: &'static str = "fifo";
    const ABOUT: &'static str = "named pipe, length-prefixed, one writev per message";
    const NATURE: Nature = pipe::NATURE;
    type Sender = FrameSender;
    type Receiver = FrameReceiver;

    fn obstacle(setting: &Setting) -> Option<String> {
        pipe::obstacle(setting)
    }

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let path = std::env::temp_dir().join(unused(&setting.name_prefix));
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|error| format!("mkfifo {}: {error}", path.display()))?;
        let file = File(path);
        let address =
            file.0.to_str().ok_or("the temporary directory has no plain name")?.to_owned();
        Ok(Prepared {
            address,
            names: Box::new(file),
            ..Prepared::of_fds(Vec::new(), Vec::new(), 0)
        })
    }

    fn open_sender(place: Place) -> Result<FrameSender, BoxError> {
        // Waits for the reader.
        let fifo = OpenOptions::new().write(true).open(&place.address)?;
        pipe::resize(&fifo, &place.setting)?;
        FrameSender::over(fifo.into(), &place.setting)
    }

    fn open_receiver(place: Place) -> Result<FrameReceiver, BoxError> {
        let fifo = OpenOptions::new().read(true).open(&place.address)?;
        FrameReceiver::over(fifo.into(), &place.setting)
    }
}
