//! Market data: feeds, each a process of its own, send quotes into one ring, and one consumer
//! keeps the last price of each instrument.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Command, id};
use std::{env, thread};

use shmring::{Config, Element, Segment};

const FEEDS: u32 = 3;
const INSTRUMENTS: [u16; 4] = [1, 2, 3, 4];
const UPDATES: u32 = 20_000;

/// What the ring holds. A program that declares it differently is refused.
#[derive(Clone, Copy, Element)]
#[repr(C)]
struct Quote {
    price: f64,
    feed: u32,
    instrument: u16,
    side: Side,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Element)]
#[repr(u16)]
enum Side {
    Bid,
    Ask,
}

fn main() -> Result<(), Box<dyn Error>> {
    if let [_, name, feed] = &env::args().collect::<Vec<_>>()[..] {
        return send_quotes(name, feed.parse()?);
    }
    let name = format!("quotes-{}", id());
    let result = keep_last_prices(&name);
    Segment::unlink(&name)?;
    result
}

/// A feed: updates all its instruments, again and again.
fn send_quotes(name: &str, feed: u32) -> Result<(), Box<dyn Error>> {
    let mut producer = Segment::attach(name)?.value_producer::<Quote>()?;
    for update in 1..=UPDATES {
        let price = f64::from(update) / 100.0;
        let side = if update % 2 == 0 { Side::Bid } else { Side::Ask };
        let quotes = INSTRUMENTS.map(|instrument| Quote { price, feed, instrument, side });
        // One claim for all. Waits for room, so feeds go no faster than the consumer.
        producer.send_slice(&quotes)?;
    }
    Ok(())
}

fn keep_last_prices(name: &str) -> Result<(), Box<dyn Error>> {
    let segment = Segment::create(name, &Config::mpsc().slots(4096).values::<Quote>())?;
    let mut consumer = segment.value_consumer::<Quote>()?;
    // The stream ends when the last producer has gone. This one sends nothing, and keeps it
    // open until all feeds have come and gone.
    let keeps_open = segment.value_producer::<Quote>()?;
    let start =
        |feed: u32| Command::new(env::current_exe()?).args([name, &feed.to_string()]).spawn();
    let feeds = (0..FEEDS).map(start).collect::<Result<Vec<_>, _>>()?;
    let waiter = thread::spawn(move || {
        feeds.into_iter().for_each(|mut feed| assert!(feed.wait().is_ok_and(|end| end.success())));
        drop(keeps_open);
    });

    let (mut last, mut count) = (BTreeMap::new(), 0);
    for quote in consumer.iter() {
        let Quote { price, feed, instrument, side } = quote?;
        last.insert((feed, instrument, side), price);
        count += 1;
    }
    waiter.join().expect("all feeds end well");
    assert!(last.values().all(|&price| price >= f64::from(UPDATES - 1) / 100.0), "{last:?}");
    println!("{count} quotes from {FEEDS} feeds, {} last bids and asks", last.len());
    Ok(())
}
