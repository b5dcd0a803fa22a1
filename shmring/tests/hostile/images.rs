//! Segments of every kind with messages in them, as the bytes of their files.

use std::fs;

use shmring::{Config, Kind, Segment, Subscribe};

use crate::common::{Name, broadcast, slots};

/// Small, so that a changed word is likely to matter.
pub(crate) fn configs() -> Vec<Config> {
    let mut configs = vec![
        Config::spsc().capacity_bytes(4096),
        Config::packed::<u64>().slots(64),
        Config::packed::<[u8; 3]>().slots(64),
        Config::packed::<[bool; 3]>().slots(64),
        slots(Kind::Mpmc, 16, 64).values::<u64>(),
        slots(Kind::Mpsc, 16, 64).values::<[bool; 3]>(),
        slots(Kind::Spmc, 16, 64).values::<u64>(),
        slots(Kind::Mpmc, 1, 16),
        broadcast(),
        broadcast().values::<u64>(),
        Config::jobs().slots(16).slot_bytes(48),
        Config::jobs().slots(1).slot_bytes(24),
    ];
    for kind in [Kind::Mpmc, Kind::Mpsc, Kind::Spmc] {
        // Longer messages span slots of this size.
        configs.push(slots(kind, 16, 32));
    }
    configs.into_iter().map(|config| config.max_attachments(4).max_handles(8)).collect()
}

/// Sends a few messages around the end of the ring, and receives some of them, as the
/// ring's kind has it.
pub(crate) fn fill(segment: &Segment) {
    if let (Ok(mut tx), Ok(mut rx)) = (segment.producer(), segment.consumer()) {
        for _ in 0..36 {
            tx.try_send(&[0; 48]).and_then(|()| tx.try_send(&[0; 48])).unwrap_or(());
            let _ = rx.try_recv().and_then(|_| rx.try_recv());
        }
        for len in 0..12 {
            tx.try_send(&vec![len as u8; len]).unwrap_or(());
        }
        for _ in 0..3 {
            let _ = rx.try_recv();
        }
        tx.try_send(&[0xEE; 90]).unwrap_or(());
    }
    if let (Ok(mut tx), Ok(worker)) = (segment.producer(), segment.worker()) {
        for round in 0..40 {
            tx.try_send(&[round; 8]).and_then(|()| tx.try_send(&[round; 80])).unwrap_or(());
            // One stays behind now and then, and is in the ring while others are done.
            let jobs: Vec<_> = (0..3).map_while(|_| worker.try_take().ok()).collect();
            for job in jobs.into_iter().skip(usize::from(round % 3)) {
                job.acknowledge();
            }
        }
        while tx.try_send(&[0xEE; 8]).is_ok() {}
    }
    if let (Ok(mut tx), Ok(mut rx)) =
        (segment.value_producer::<u64>(), segment.value_consumer::<u64>())
    {
        let values = vec![7; (tx.capacity() / 2).min(30)];
        for _ in 0..3 {
            tx.try_send_slice(&values).unwrap();
            rx.try_recv_slice(&mut [0; 20]).unwrap();
        }
        tx.try_send_slice(&values[..4]).unwrap();
    }
}

/// The words of a segment's file, where two handles are held while they are read.
pub(crate) fn image(config: &Config) -> Vec<u64> {
    let name = Name::new();
    let segment = name.create(config);
    fill(&segment);
    let _held = (segment.producer(), segment.consumer());
    let _lossy = segment.subscribe(Subscribe::lossy());
    let worker = segment.worker();
    let _jobs: Vec<_> =
        worker.iter().flat_map(|worker| [worker.try_take(), worker.try_take()]).collect();
    let bytes = fs::read(name.path()).unwrap();
    bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap())).collect()
}

/// A file with those words, where a segment of that name would be.
pub(crate) fn plant(name: &Name, words: &[u64]) {
    use std::os::unix::fs::OpenOptionsExt;

    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(name.path()).unwrap();
    std::io::Write::write_all(&mut file, &bytes).unwrap();
}
