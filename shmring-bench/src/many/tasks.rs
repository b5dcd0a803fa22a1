//! A task of tokio for each channel, all in one thread.

use std::fs;
use std::future::Future;
use std::io::ErrorKind;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use shmring::{Consumer, RecvError, RecvIntoError};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::runtime::Builder;

use super::MESSAGE_BYTES;
use super::sender::now_ns;
use super::ways::{Channels, Ends, OnMessage};
use crate::contender::BoxError;
use crate::name::unused;

/// As long as the other ways of waiting spin, by default.
const SPIN: Duration = Duration::from_micros(50);

/// A listener whose path is removed when this is dropped.
pub(super) struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // It can only be gone already, which is what is wanted.
        let _ = fs::remove_file(&self.path);
    }
}

pub(super) fn sockets(count: usize) -> Result<Channels, BoxError> {
    let socket = |_| {
        let path = std::env::temp_dir().join(unused("shmring-bench-many"));
        let listener = UnixListener::bind(&path)?;
        Ok::<_, BoxError>(Socket { path, listener })
    };
    let sockets = (0..count).map(socket).collect::<Result<Vec<_>, _>>()?;
    let address = |socket: &Socket| socket.path.to_str().map(str::to_owned);
    let addresses = sockets.iter().map(address).collect::<Option<_>>();
    let addresses = addresses.ok_or("the temporary directory has no plain name")?;
    Ok(Channels { addresses, ends: Ends::Sockets(sockets) })
}

pub(super) fn with_sockets(
    sockets: Vec<Socket>,
    on_message: &mut OnMessage<'_>,
) -> Result<u64, BoxError> {
    // The sender connects to all before it sends.
    let accept = |socket: &Socket| {
        let (stream, _) = socket.listener.accept()?;
        stream.set_nonblocking(true)?;
        Ok::<_, BoxError>(stream)
    };
    let streams = sockets.iter().map(accept).collect::<Result<Vec<_>, _>>()?;
    let serve = |stream| async {
        let mut stream = UnixStream::from_std(stream)?;
        let (mut message, mut late_ns) = ([0; MESSAGE_BYTES], Vec::new());
        loop {
            match stream.read_exact(&mut message).await {
                Ok(_) => late_ns.push(now_ns().saturating_sub(u64::from_ne_bytes(message))),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(late_ns),
                Err(error) => return Err(error.into()),
            }
        }
    };
    run(streams.into_iter().map(serve), on_message)
}

pub(super) fn with_tasks(
    consumers: Vec<Consumer>,
    on_message: &mut OnMessage<'_>,
) -> Result<u64, BoxError> {
    with_consumers(consumers, Duration::ZERO, false, on_message)
}

pub(super) fn with_spinning_tasks(
    consumers: Vec<Consumer>,
    on_message: &mut OnMessage<'_>,
) -> Result<u64, BoxError> {
    with_consumers(consumers, SPIN, false, on_message)
}

pub(super) fn with_driven_tasks(
    consumers: Vec<Consumer>,
    on_message: &mut OnMessage<'_>,
) -> Result<u64, BoxError> {
    with_consumers(consumers, Duration::ZERO, true, on_message)
}

fn with_consumers(
    consumers: Vec<Consumer>,
    spin: Duration,
    is_driven: bool,
    on_message: &mut OnMessage<'_>,
) -> Result<u64, BoxError> {
    let serve = |consumer: Consumer| async move {
        let mut consumer = consumer.into_async()?;
        consumer.set_spin(spin);
        if is_driven {
            consumer.use_io_driver()?;
        }
        let (mut message, mut late_ns) = ([0; MESSAGE_BYTES], Vec::new());
        loop {
            match consumer.recv_into(&mut message).await {
                Ok(_) => late_ns.push(now_ns().saturating_sub(u64::from_ne_bytes(message))),
                Err(RecvIntoError::Recv(RecvError::Eof)) => return Ok(late_ns),
                Err(error) => return Err(error.into()),
            }
        }
    };
    run(consumers.into_iter().map(serve), on_message)
}

/// Runs a task for each channel, which returns how late its messages were. They are only noted in
/// between, as in the way with threads.
fn run<F>(tasks: impl Iterator<Item = F>, on_message: &mut OnMessage<'_>) -> Result<u64, BoxError>
where
    F: Future<Output = Result<Vec<u64>, BoxError>> + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let late_ns = runtime.block_on(async {
        let tasks: Vec<_> = tasks.map(tokio::spawn).collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await??);
        }
        Ok::<_, BoxError>(all)
    })?;
    late_ns.iter().for_each(|late_ns| on_message(now_ns().saturating_sub(*late_ns)));
    Ok(late_ns.len() as u64)
}
