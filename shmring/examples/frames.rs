//! Frames of 1 MiB from one process to another, written and read where they lie in the ring.

#![allow(unsafe_code)]

use std::env;
use std::error::Error;
use std::process::{Command, id};
use std::time::Instant;

use shmring::{Config, Segment};

const FRAMES: usize = 200;
const ROWS: usize = 256;
const ROW_BYTES: usize = 4096;
const FRAME_BYTES: usize = ROWS * ROW_BYTES;

fn main() -> Result<(), Box<dyn Error>> {
    if let [_, name] = &env::args().collect::<Vec<_>>()[..] {
        return record(name);
    }
    let name = format!("frames-{}", id());
    let result = show(&name);
    Segment::unlink(&name)?;
    result
}

/// What a row of a frame looks like.
fn draw(frame: usize, y: usize) -> [u8; ROW_BYTES] {
    [(frame * 31 + y) as u8; ROW_BYTES]
}

/// The camera: each frame exists in the ring and nowhere else.
fn record(name: &str) -> Result<(), Box<dyn Error>> {
    let mut producer = Segment::attach(name)?.producer()?;
    for frame in 0..FRAMES {
        // Waits until the viewer has released as much.
        let mut space = producer.reserve(FRAME_BYTES)?;
        for y in 0..ROWS {
            space.write_at(y * ROW_BYTES, &draw(frame, y));
        }
        // The viewer sees nothing of it before; if the camera dies, it never does.
        space.commit();
    }
    Ok(())
}

/// The viewer.
fn show(name: &str) -> Result<(), Box<dyn Error>> {
    // A message has at most almost half of the ring: here, three frames fit. With prefault the
    // kernel provides all pages now, and not one by one while the first frames are written.
    let config = Config::spsc().capacity_bytes(4 << 20).prefault(true);
    let segment = Segment::create(name, &config)?;
    let prefaulted = segment.obtained().prefault == Some(true);
    let mut consumer = segment.consumer()?;
    let mut camera = Command::new(env::current_exe()?).arg(name).spawn()?;

    drop(consumer.peek()?); // Waits for the first frame, and leaves it there.
    let start = Instant::now();
    for frame in 0..FRAMES {
        let peek = consumer.peek()?;
        // SAFETY: the camera is this program too, which writes to no frame that it has
        // committed, until it is released; and this process does not fork meanwhile. Where the
        // peer is not trusted so far, `read_at` copies.
        let pixels = unsafe { peek.as_slice() }.expect("a frame is in one piece");
        assert_eq!(pixels.len(), FRAME_BYTES);
        for (y, row) in pixels.chunks(ROW_BYTES).enumerate() {
            assert!(row == draw(frame, y), "row {y} of frame {frame}");
        }
        // The camera may write over it from now on.
        peek.release();
    }
    let gigabytes = (FRAMES * FRAME_BYTES) as f64 / 1e9 / start.elapsed().as_secs_f64();
    assert!(camera.wait()?.success());
    println!("{FRAMES} frames of 1 MiB, {gigabytes:.1} GB/s, prefaulted: {prefaulted}");
    Ok(())
}
