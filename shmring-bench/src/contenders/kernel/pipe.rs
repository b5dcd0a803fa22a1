//! An anonymous pipe.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, fcntl};

use super::frames::{FrameReceiver, FrameSender, PREFIX_BYTES};
use crate::contender::{BoxError, Contender, Group, Nature, Place, Prepared, Setting};

/// Messages up to this length, with what stands before them, are written whole.
const PIPE_BUF: usize = 4096;

/// See the module.
#[derive(Debug)]
pub struct Pipe;

pub(super) const NATURE: Nature = Nature { many_producers: true, ..Nature::stream(Group::Kernel) };

/// Several writers need messages that are written whole.
pub(super) fn obstacle(setting: &Setting) -> Option<String> {
    let cut = setting.producers > 1 && PREFIX_BYTES + setting.message_bytes > PIPE_BUF;
    cut.then(|| format!("writes of several producers mix beyond {PIPE_BUF} bytes"))
}

impl Contender for Pipe {
    const NAME: &'static str = "pipe";
    const ABOUT: &'static str = "anonymous pipe, length-prefixed, one writev per message";
    const NATURE: Nature = NATURE;
    type Sender = FrameSender;
    type Receiver = FrameReceiver;

    fn obstacle(setting: &Setting) -> Option<String> {
        obstacle(setting)
    }

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let (reader, writer) = io::pipe()?;
        let capacity_bytes = resize(&writer, setting)?;
        let (writer, reader) = (OwnedFd::from(writer), OwnedFd::from(reader));
        Ok(Prepared::of_fds(vec![writer], vec![reader], capacity_bytes))
    }

    fn open_sender(place: Place) -> Result<FrameSender, BoxError> {
        let setting = place.setting.clone();
        FrameSender::over(place.only_fd()?, &setting)
    }

    fn open_receiver(place: Place) -> Result<FrameReceiver, BoxError> {
        let setting = place.setting.clone();
        FrameReceiver::over(place.only_fd()?, &setting)
    }
}

/// Gives a pipe the setting's room, or the most that is allowed; what it has then.
pub(super) fn resize(pipe: &impl AsFd, setting: &Setting) -> Result<u64, BoxError> {
    let wanted = setting.room_bytes(PREFIX_BYTES + setting.message_bytes);
    let wanted = i32::try_from(wanted).unwrap_or(i32::MAX);
    // More than fs.pipe-max-size is refused to most users: then the most that is allowed.
    if fcntl(pipe, FcntlArg::F_SETPIPE_SZ(wanted)).is_err() {
        let allowed = std::fs::read_to_string("/proc/sys/fs/pipe-max-size")
            .ok()
            .and_then(|text| text.trim().parse::<i32>().ok());
        if let Some(allowed) = allowed.filter(|allowed| *allowed < wanted) {
            // Refused again (the user's total is used up), it keeps the size it was born with.
            let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(allowed));
        }
    }
    Ok(u64::try_from(fcntl(pipe, FcntlArg::F_GETPIPE_SZ)?)?)
}
