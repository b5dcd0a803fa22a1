//! The ring as a byte stream.

use std::io::{self, BufWriter, ErrorKind, Read, Write};

use crate::common::{Name, SHORT, payload, watchdog};

/// Catches bytes that are lost, doubled or reordered where messages and buffers end at
/// different places.
#[test]
fn bytes_come_out_as_they_went_in() {
    let _watchdog = watchdog("bytes_come_out_as_they_went_in");
    let bytes = payload(7, 300_000);
    for chunk in [1000, 2032, 2033, 5000, 300_000] {
        for buffer_len in [1, 7, 2032, 4096, 100_000] {
            let name = Name::new();
            let (_segment, tx, rx) = name.pair(4096);
            let sent = if buffer_len == 1 { &bytes[..20_000] } else { &bytes };
            let received = std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut writer = tx.into_writer();
                    for chunk in sent.chunks(chunk) {
                        writer.write_all(chunk).unwrap();
                    }
                    writer.flush().unwrap();
                });
                let (mut reader, mut received) = (rx.into_reader(), Vec::new());
                let mut buffer = vec![0; buffer_len];
                loop {
                    match reader.read(&mut buffer).unwrap() {
                        0 => break received,
                        len => received.extend_from_slice(&buffer[..len]),
                    }
                }
            });
            assert!(received == sent, "chunks of {chunk}, buffer of {buffer_len}");
        }
    }
}

/// Catches an end of the stream that is reported over an empty message, and a read
/// that waits when it was asked for nothing.
#[test]
fn nothing_is_not_the_end() {
    let _watchdog = watchdog("nothing_is_not_the_end");
    let name = Name::new();
    let (segment, mut tx, rx) = name.pair(4096);
    let mut reader = rx.into_reader();
    assert_eq!(reader.read(&mut []).unwrap(), 0);
    for message in ["", "", "ab", "", "c", ""] {
        tx.send(message.as_bytes()).unwrap();
    }
    let mut writer = tx.into_writer();
    assert_eq!(writer.write(b"").unwrap(), 0);
    let mut buffer = [0; 10];
    assert_eq!(reader.read(&mut buffer[..1]).unwrap(), 1);
    assert_eq!(reader.read(&mut buffer[1..]).unwrap(), 2);
    assert_eq!(&buffer[..3], b"abc");
    drop(writer);
    for _ in 0..2 {
        assert_eq!(reader.read(&mut buffer).unwrap(), 0);
    }
    let mut writer = segment.producer().unwrap().into_writer();
    writer.write_all(b"again").unwrap();
    assert_eq!(reader.read(&mut buffer).unwrap(), 5);
}

/// Catches a timeout that is ignored, and errors of another kind than a pipe's.
#[test]
fn errors_are_those_of_a_pipe() {
    let _watchdog = watchdog("errors_are_those_of_a_pipe");
    let name = Name::new();
    let (segment, tx, rx) = name.pair(4096);
    let (mut writer, mut reader) = (tx.into_writer(), rx.into_reader());
    writer.set_timeout(Some(SHORT));
    reader.set_timeout(Some(SHORT));
    assert_eq!(reader.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::TimedOut);
    let full = loop {
        match writer.write(&[1; 1000]) {
            Ok(len) => assert_eq!(len, 1000),
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::TimedOut);
    assert!(full.get_ref().unwrap().is::<shmring::SendTimeoutError>());
    let mut all = vec![0; 3000];
    reader.read_exact(&mut all).unwrap();
    assert_eq!(all, [1; 3000]);
    drop(reader);
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    segment.close();
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

/// Catches a message that is lost when a reader that was in the middle of it gives its
/// consumer back, and space that a reader holds back after it has read all.
#[test]
fn handles_come_back_from_their_streams() {
    let name = Name::new();
    let (segment, tx, rx) = name.pair(4096);
    let mut writer = tx.into_writer();
    writer.write_all(b"message").unwrap();
    let mut tx = writer.into_inner();
    tx.send(b"second").unwrap();
    let mut reader = rx.into_reader();
    let mut part = [0; 3];
    reader.read_exact(&mut part).unwrap();
    let mut rx = reader.into_inner();
    assert_eq!(rx.recv().unwrap(), b"message");
    let mut reader = rx.into_reader();
    let mut whole = [0; 6];
    reader.read_exact(&mut whole).unwrap();
    assert_eq!(segment.status().unwrap().ring().used_bytes, 0);
}

/// Catches adaptors that do not get on with those of the standard library.
#[test]
fn the_standard_library_copies_through() {
    let _watchdog = watchdog("the_standard_library_copies_through");
    let name = Name::new();
    let (_segment, tx, rx) = name.pair(8192);
    let bytes = payload(3, 200_000);
    let copied = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = BufWriter::with_capacity(3000, tx.into_writer());
            io::copy(&mut &bytes[..], &mut writer).unwrap();
            writer.flush().unwrap();
        });
        let mut copied = Vec::new();
        io::copy(&mut rx.into_reader(), &mut copied).unwrap();
        copied
    });
    assert!(copied == bytes);
}
