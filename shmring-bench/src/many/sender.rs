//! The process that sends to many channels at a steady rate.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use shmring::{Producer, Segment, WaitMode};

use super::{SENDER, cpu_us};
use crate::contender::BoxError;

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Record rings, by the names of their segments.
    Rings,
    /// Named pipes, by their paths.
    Fifos,
    /// Services of iceoryx2, by the name of their world and a number.
    #[cfg(feature = "peers")]
    Services,
    /// Unix stream sockets, by the paths of their listeners.
    #[cfg(feature = "tokio")]
    Sockets,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Rings => "rings",
            Self::Fifos => "fifos",
            #[cfg(feature = "peers")]
            Self::Services => "services",
            #[cfg(feature = "tokio")]
            Self::Sockets => "sockets",
        }
    }
}

/// A sender that was started.
pub(super) struct Started(Child);

impl Started {
    /// Waits for its end; returns the CPU time that sending took, in microseconds.
    pub(super) fn finish(mut self) -> Result<f64, BoxError> {
        let mut told = String::new();
        if let Some(mut stdout) = self.0.stdout.take() {
            stdout.read_to_string(&mut told)?;
        }
        let status = self.0.wait()?;
        if !status.success() {
            return Err(format!("the sender: {status}").into());
        }
        Ok(told.trim().parse()?)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It has ended, unless the receiver failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts this program as the sender of so many messages, at `rate` a second.
pub(super) fn start(
    transport: Transport,
    addresses: &[String],
    rate: u32,
    messages: u64,
) -> Result<Started, BoxError> {
    let child = Command::new(std::env::current_exe()?)
        .arg(SENDER)
        .args([transport.name().to_owned(), rate.to_string(), messages.to_string()])
        .args(addresses)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    Ok(Started(child))
}

/// Nanoseconds on the monotonic clock.
pub(super) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

enum Channel {
    Ring(Box<Producer>),
    #[cfg(feature = "peers")]
    Service(Box<super::services::Service>),
    Stream(Box<dyn Write>),
}

impl Channel {
    fn open(transport: &str, address: &str) -> Result<Self, BoxError> {
        if transport == Transport::Rings.name() {
            let mut producer = Segment::attach(address)?.producer()?;
            producer.set_wait_mode(WaitMode::Block);
            return Ok(Self::Ring(Box::new(producer)));
        }
        Ok(Self::Stream(if transport == Transport::Fifos.name() {
            Box::new(OpenOptions::new().write(true).open(address)?)
        } else {
            Box::new(UnixStream::connect(address)?)
        }))
    }

    fn send(&mut self, now_ns: u64) -> Result<(), BoxError> {
        match self {
            Self::Ring(producer) => Ok(producer.send(&now_ns.to_ne_bytes())?),
            #[cfg(feature = "peers")]
            Self::Service(service) => service.send(now_ns),
            Self::Stream(stream) => Ok(stream.write_all(&now_ns.to_ne_bytes())?),
        }
    }

    /// Ends the channel, of those that do not end with their sender.
    fn finish(self) -> Result<(), BoxError> {
        match self {
            #[cfg(feature = "peers")]
            Self::Service(service) => service.finish(),
            Self::Ring(_) | Self::Stream(_) => Ok(()),
        }
    }
}

/// The sender: `TRANSPORT RATE MESSAGES ADDRESS...`.
///
/// # Errors
/// If the arguments are others, or a channel fails.
pub fn send(args: &[String]) -> Result<(), BoxError> {
    let [transport, rate, messages, addresses @ ..] = args else {
        return Err("wants a transport, a rate, a number of messages and addresses".into());
    };
    let (rate, messages): (u64, u64) = (rate.parse()?, messages.parse()?);
    #[cfg(feature = "peers")]
    if transport == Transport::Services.name() {
        let (services, _node) = super::services::publishers(addresses)?;
        let channels = services.into_iter().map(|service| Channel::Service(Box::new(service)));
        return send_to(channels.collect(), rate, messages);
    }
    let channels = addresses.iter().map(|address| Channel::open(transport, address));
    send_to(channels.collect::<Result<_, _>>()?, rate, messages)
}

/// Sends to one channel after the other, and reports on stdout what CPU time that took.
fn send_to(mut channels: Vec<Channel>, rate: u64, messages: u64) -> Result<(), BoxError> {
    let interval_ns = 1_000_000_000 / rate.max(1);
    let before_us = cpu_us()?;
    let mut due_ns = now_ns();
    let count = channels.len().max(1);
    for number in 0..messages {
        due_ns += interval_ns;
        sleep_until(due_ns)?;
        let channel = channels.get_mut(number as usize % count).ok_or("no channels")?;
        channel.send(now_ns())?;
    }
    println!("{}", cpu_us()? - before_us);
    channels.into_iter().try_for_each(Channel::finish)
}

fn sleep_until(at_ns: u64) -> Result<(), BoxError> {
    let at = TimeSpec::from_duration(Duration::from_nanos(at_ns));
    loop {
        let flags = ClockNanosleepFlags::TIMER_ABSTIME;
        match clock_nanosleep(ClockId::CLOCK_MONOTONIC, flags, &at) {
            Ok(_) => return Ok(()),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
