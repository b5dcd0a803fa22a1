//! Rings as byte streams: `io::Write` and `io::Read`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "of the caller's buffers, by lengths that were compared"
)]

use std::io;
use std::time::Duration;

use crate::consumer::Consumer;
use crate::error::RecvTimeoutError;
use crate::producer::Producer;
use crate::sync::Deadline;

/// A producer as a byte stream. Each write waits for room and sends one message, with as many bytes
/// as fit into it. Wrap it in a `BufWriter` where writes are small.
///
/// ```
/// use std::io::{BufRead, BufReader, Write};
///
/// use shmring::{Config, Segment};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let segment = Segment::create_sealed("log", &Config::spsc())?;
/// let mut writer = segment.producer()?.into_writer();
/// writeln!(writer, "line {}", 1)?;
/// writer.write_all(b"line 2")?;
/// drop(writer);
///
/// let reader = BufReader::new(segment.consumer()?.into_reader());
/// let lines = reader.lines().collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(lines, ["line 1", "line 2"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Writer {
    producer: Producer,
    timeout: Option<Duration>,
}

impl Producer {
    /// Converts the producer into a byte stream.
    pub fn into_writer(self) -> Writer {
        Writer { producer: self, timeout: None }
    }
}

impl Writer {
    /// Sets how long a write waits for room; `None`, the default, is without limit. A write that
    /// times out fails with `TimedOut` and sends nothing.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Returns the producer.
    pub fn into_inner(self) -> Producer {
        self.producer
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let len = bytes.len().min(self.producer.max_message_bytes());
        match self.timeout {
            Some(timeout) => self.producer.send_timeout(&bytes[..len], timeout)?,
            None => self.producer.send(&bytes[..len])?,
        }
        Ok(len)
    }

    /// Does nothing: a write is visible when it returns.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A consumer as a byte stream: the bytes of all messages in order. Reads wait for bytes, skip
/// empty messages, and return 0 at the end of the stream. See [`Writer`] for an example.
#[derive(Debug)]
pub struct Reader {
    consumer: Consumer,
    timeout: Option<Duration>,
    /// Where consumers compete: the message being read, which has left the ring.
    message: Vec<u8>,
    /// Bytes of the oldest message already read.
    read: usize,
}

impl Consumer {
    /// Converts the consumer into a byte stream.
    pub fn into_reader(self) -> Reader {
        Reader { consumer: self, timeout: None, message: Vec::new(), read: 0 }
    }
}

impl Reader {
    /// Sets how long a read waits for bytes; `None`, the default, is without limit. After that a
    /// read fails with `TimedOut`.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Returns the consumer. A partly read message is received again from its start; where
    /// consumers compete, the rest of it is lost.
    pub fn into_inner(self) -> Consumer {
        self.consumer
    }

    /// Waits for a message and fills the buffer from the messages in the ring. Returns 0 if they
    /// are empty.
    fn fill(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, RecvTimeoutError> {
        if !self.consumer.is_exclusive() {
            return self.fill_from_copy(buffer, deadline);
        }
        self.consumer.endpoint().next_by(deadline)?;
        let (mut filled, mut finished) = (0, 0);
        let mut ahead = self.consumer.lookahead()?;
        while filled < buffer.len()
            && let Some(message) = ahead.next()
        {
            let count = message.read_at(self.read, &mut buffer[filled..]);
            filled += count;
            self.read += count;
            if self.read < message.len() {
                break;
            }
            self.read = 0;
            finished += 1;
        }
        ahead.release_first(finished);
        Ok(filled)
    }

    fn fill_from_copy(
        &mut self,
        buffer: &mut [u8],
        deadline: Deadline,
    ) -> Result<usize, RecvTimeoutError> {
        if self.read == self.message.len() {
            self.read = 0;
            self.message.clear();
            self.consumer.recv_into_vec_by(&mut self.message, deadline)?;
        }
        let rest = &self.message[self.read..];
        let filled = rest.len().min(buffer.len());
        buffer[..filled].copy_from_slice(&rest[..filled]);
        self.read += filled;
        Ok(filled)
    }
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let deadline = self.timeout.map_or(Deadline::NEVER, Deadline::after);
        loop {
            match self.fill(buffer, deadline) {
                // However many empty messages arrive.
                Ok(0) if deadline.passed() => return Err(RecvTimeoutError::TimedOut.into()),
                Ok(0) => {}
                Ok(filled) => return Ok(filled),
                Err(RecvTimeoutError::Eof) => return Ok(0),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
