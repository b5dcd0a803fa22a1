//! A log that many processes write: most lines have some tens of bytes, a few have 64 KiB.
//!
//! Slots have the size of most lines. A longer line takes several slots, one after the other: it
//! arrives whole, and no line of another process comes in between.

use std::process::{Command, id};
use std::{env, error::Error};

use shmring::{Config, Eof, Segment};

const PROCESSES: usize = 4;
const LINES: usize = 2000;
const SHORTEST: usize = 40;
const LONGEST: usize = 64 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(name) = env::args().nth(1) {
        return write(&name);
    }
    let name = format!("log-{}", id());
    // 512 KiB, of which a line can have half.
    let config = Config::mpsc().slots(4096).slot_bytes(128);
    let segment = Segment::create(&name, &config)?;
    let _unlink = segment.unlink_on_drop();
    let mut log = segment.consumer()?;
    // One writer may leave before the next one joins.
    log.set_eof(Eof::NextProducer);
    let start = |_| Command::new(env::current_exe()?).arg(&name).spawn();
    let writers: Vec<_> = (0..PROCESSES).map(start).collect::<Result<_, _>>()?;
    let (mut line, mut bytes, mut spanning) = (Vec::new(), 0, 0);
    for _ in 0..PROCESSES * LINES {
        log.recv_into_vec(&mut line)?;
        // The same letter from behind its start to its end.
        let fill = line.last().ok_or("an empty line")?;
        let tail = line.iter().rev().take_while(|byte| *byte == fill).count();
        assert!(line.len() >= SHORTEST && line.len() - tail < SHORTEST, "a torn line");
        bytes += line.len();
        spanning += usize::from(line.len() > 120);
    }
    for mut writer in writers {
        writer.wait()?;
    }
    println!(
        "{} lines of {SHORTEST} to {LONGEST} bytes from {PROCESSES} processes, none torn: {bytes} \
         bytes, {spanning} lines in several slots",
        PROCESSES * LINES
    );
    Ok(())
}

fn write(name: &str) -> Result<(), Box<dyn Error>> {
    let mut log = Segment::attach(name)?.producer()?;
    for number in 0..LINES {
        // Of 100 lines, 90 have 40 bytes, and one has 64 KiB.
        let len = match number % 100 {
            0 => LONGEST,
            step @ 1..10 => SHORTEST << step,
            _ => SHORTEST,
        };
        let fill = char::from(b'a' + (number % 26) as u8);
        let start = format!("{} {number:>6} ", id());
        let rest = String::from(fill).repeat(len - start.len());
        log.send((start + &rest).as_bytes())?;
    }
    Ok(())
}
