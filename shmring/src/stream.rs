//! The ring as a byte stream: `io::Write` and `io::Read`.

use std::io;
use std::time::Duration;

use crate::consumer::Consumer;
use crate::error::RecvError;
use crate::producer::Producer;
use crate::sync::Deadline;

/// A producer as a byte stream: each write sends one message of as many bytes as
/// fit into one. Wrap it in a `BufWriter` where writes are small.
#[derive(Debug)]
pub struct Writer {
    producer: Producer,
    timeout: Option<Duration>,
}

impl Producer {
    /// Makes a byte stream of the ring.
    pub fn into_writer(self) -> Writer {
        Writer { producer: self, timeout: None }
    }
}

impl Writer {
    /// How long a write waits for room, if not for ever; after that it fails with
    /// `TimedOut` and nothing of it was sent.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// The producer.
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

/// A consumer as a byte stream: the bytes of all messages in order, and nothing at
/// the end of the stream. Messages without bytes leave no trace.
#[derive(Debug)]
pub struct Reader {
    consumer: Consumer,
    timeout: Option<Duration>,
    /// Bytes of the oldest message that were read already.
    read: usize,
}

impl Consumer {
    /// Makes a byte stream of the ring.
    pub fn into_reader(self) -> Reader {
        Reader { consumer: self, timeout: None, read: 0 }
    }
}

impl Reader {
    /// How long a read waits for bytes, if not for ever; after that it fails with
    /// `TimedOut`.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// The consumer. A message that was read in part is received again from its
    /// start.
    pub fn into_inner(self) -> Consumer {
        self.consumer
    }

    /// Fills the buffer from the messages that are there, and releases those that were
    /// read to their end.
    fn fill(&mut self, buffer: &mut [u8]) -> usize {
        let (mut filled, mut finished) = (0, 0);
        let mut ahead = self.consumer.lookahead();
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
        filled
    }
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let deadline = self.timeout.map_or(Deadline::NEVER, Deadline::after);
        loop {
            match self.consumer.next_by(deadline) {
                Ok(_) => {
                    let filled = self.fill(buffer);
                    if filled > 0 {
                        return Ok(filled);
                    }
                }
                Err(RecvError::Eof) => return Ok(0),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
