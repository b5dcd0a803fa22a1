//! Letting the producer get ahead.
//!
//! A consumer that takes each message as soon as it is sent makes the two CPUs pass every
//! cache line to and fro while it is written. That is the least delay for a message; but if
//! messages come as fast as they can be sent, both sides go at a fraction of their speed. Then
//! a consumer that finds nothing had better not look again at once: when it does, it reads
//! many lines that are finished, one after the other.
//!
//! Which of the two it is cannot be seen, but tried. Now and then a consumer that does not
//! find anything lets some time pass, a *lag*, and goes on so if more messages come than came
//! without it. If they do not, then because each waits for something else: they would only
//! come later. The next trial is put off the longer, the more were of no use.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "of this process's own counts and intervals, with constant divisors"
)]

/// How far a consumer has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Messages that were taken since some point in time.
    pub(crate) messages: u64,
    /// The position behind the last one, in the units of `capacity`.
    pub(crate) position: u64,
    /// What the ring holds.
    pub(crate) capacity: u64,
}

/// How often nothing is found in a period without lags, and in one with lags.
const LOOKS: u32 = 512;
const LAGS: u32 = 16;
/// Pauses of the first lag, of the shortest and of the longest. A `pause` takes 10 to 50 ns.
const LAG_FIRST: u32 = 64;
const LAG_MIN: u32 = 8;
const LAG_MAX: u32 = 128;
/// A lag that brings more than this part of the ring is too long: the producer may have to
/// wait.
const LAG_PARTS: u64 = 4;
/// Lags are of use if a message takes at most so many percent of the time.
const USE_PERCENT: u64 = 90;
/// After lags that were of no use: how many periods to let pass before the next, at first and
/// at most.
const CALM_MIN: u32 = 1;
const CALM_MAX: u32 = 4096;
/// Periods with lags before it is tried again what comes without them.
const USE_MAX: u32 = 4096;

/// A consumer that lets its producer get ahead keeps that far away from it, if it can.
const STRETCH_BYTES: u64 = 2048;

/// How a consumer paces itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// When this period began, in ns, and what had been taken then.
    start_ns: u64,
    start_messages: u64,
    /// What had been taken when nothing was found the last time.
    messages: u64,
    position: u64,
    /// How often nothing was found in this period; 0 if none has begun.
    looks: u32,
    /// Pauses after nothing is found; 0 to look again at once.
    lag: u32,
    /// Whether a lag in this period was too long.
    too_long: bool,
    /// The lag to begin with.
    lag_next: u32,
    /// How often a message came without lags: after so many ps.
    alone_ps: u64,
    /// Periods to let pass until the next lags, and after lags that were of no use.
    calm: u32,
    calm_next: u32,
    /// Periods with lags on end.
    used: u32,
}

impl Backoff {
    pub(crate) const START: Self = Self {
        start_ns: 0,
        start_messages: 0,
        messages: 0,
        position: 0,
        looks: 0,
        lag: 0,
        too_long: false,
        lag_next: LAG_FIRST,
        alone_ps: 0,
        calm: 0,
        calm_next: CALM_MIN,
        used: 0,
    };

    /// Whether there are lags at present.
    pub(crate) fn lags(&self) -> bool {
        self.lag > 0
    }

    /// Nothing is found, or too little: how many pauses to let pass before the next look.
    pub(crate) fn lag(&mut self, now: Progress, clock_ns: impl FnOnce() -> u64) -> u32 {
        let run = now.messages.wrapping_sub(self.messages);
        if run == 0 && self.looks > 0 {
            // As when it was asked before.
            return 0;
        }
        let part = now.position.wrapping_sub(self.position);
        (self.messages, self.position) = (now.messages, now.position);
        if self.looks == 0 {
            self.begin(clock_ns());
            return self.lag;
        }
        self.looks += 1;
        if self.lag == 0 {
            if self.looks > LOOKS {
                self.end_without(clock_ns());
            }
            return self.lag;
        }
        if run < 2 && self.used == 0 {
            // Each waits for something else, quite likely for this consumer.
            self.give_up();
            self.begin(clock_ns());
        } else if self.looks > LAGS {
            self.end_with(clock_ns());
        } else if part > now.capacity / LAG_PARTS {
            self.lag = (self.lag / 2).max(LAG_MIN);
            self.too_long = true;
        }
        self.lag
    }

    /// There was nothing for long: what comes next is another stream.
    pub(crate) fn idle(&mut self) {
        (self.lag, self.looks) = (0, 0);
    }

    fn begin(&mut self, now_ns: u64) {
        (self.start_ns, self.start_messages) = (now_ns, self.messages);
        (self.looks, self.too_long) = (1, false);
    }

    /// After how many ps a message came in this period.
    fn message_ps(&self, now_ns: u64) -> u64 {
        let time_ns = now_ns.saturating_sub(self.start_ns);
        let messages = self.messages.wrapping_sub(self.start_messages);
        time_ns.saturating_mul(1000) / messages.max(1)
    }

    /// At the end of a period without lags.
    fn end_without(&mut self, now_ns: u64) {
        self.alone_ps = self.message_ps(now_ns);
        match self.calm {
            0 => (self.lag, self.used) = (self.lag_next, 0),
            _ => self.calm -= 1,
        }
        self.begin(now_ns);
    }

    /// At the end of a period with lags.
    fn end_with(&mut self, now_ns: u64) {
        let useful = self.message_ps(now_ns).saturating_mul(100)
            <= self.alone_ps.saturating_mul(USE_PERCENT);
        if !useful {
            self.give_up();
        } else {
            self.used += 1;
            self.calm_next = CALM_MIN;
            if !self.too_long {
                self.lag = (self.lag * 2).min(LAG_MAX);
            }
            self.lag_next = self.lag;
            if self.used > USE_MAX {
                self.lag = 0;
            }
        }
        self.begin(now_ns);
    }

    fn give_up(&mut self) {
        self.lag = 0;
        self.lag_next = LAG_FIRST;
        self.calm = self.calm_next;
        self.calm_next = (self.calm_next * 2).min(CALM_MAX);
    }
}

/// How many messages of so many bytes, each in lines of its own, keep a consumer some lines
/// away from its producer.
pub(crate) fn stretch(message_bytes: u64) -> u64 {
    (STRETCH_BYTES / message_bytes.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE_NS: u64 = 25;

    /// A consumer that takes what there is at once, and its producer.
    struct Stream {
        backoff: Backoff,
        now_ns: u64,
        taken: u64,
        capacity: u64,
        /// Times that nothing was found, and pauses of all lags.
        looks: u64,
        lagged: u64,
    }

    impl Stream {
        fn new(capacity: u64) -> Self {
            Self { backoff: Backoff::START, now_ns: 0, taken: 0, capacity, looks: 0, lagged: 0 }
        }

        /// Finds nothing so often; then `come` tells, for the lag in ns, how long it takes and
        /// how many messages there are.
        fn run(&mut self, looks: u32, come: impl Fn(u64) -> (u64, u64)) {
            for _ in 0..looks {
                let now = Progress {
                    messages: self.taken,
                    position: self.taken,
                    capacity: self.capacity,
                };
                let lag = self.backoff.lag(now, || self.now_ns);
                self.looks += 1;
                self.lagged += u64::from(lag);
                let (time_ns, messages) = come(u64::from(lag) * PAUSE_NS);
                self.now_ns += time_ns;
                self.taken += messages;
            }
        }

        /// Part of the looks that were put off.
        fn pauses_each(&self) -> f64 {
            self.lagged as f64 / self.looks as f64
        }
    }

    /// A producer that needs 40 ns for a message while it is watched, and 20 otherwise.
    fn hampered(lag_ns: u64) -> (u64, u64) {
        match lag_ns {
            0 => (40, 1),
            lag_ns => (lag_ns + 100, lag_ns / 20 + 1),
        }
    }

    /// A partner that answers what it got, 100 ns after that.
    fn answering(lag_ns: u64) -> (u64, u64) {
        (lag_ns.max(100), 1)
    }

    /// A message each microsecond, whatever the consumer does.
    fn steady(lag_ns: u64) -> (u64, u64) {
        let messages = (lag_ns / 1000).max(1);
        (messages * 1000, messages)
    }

    // Catches a consumer that never tries, or gives up what is of use.
    #[test]
    fn a_producer_that_is_hampered_is_let_ahead() {
        let mut stream = Stream::new(1 << 16);
        stream.run(2 * LOOKS, hampered);
        let lagged = stream.lagged;
        stream.run(1000, hampered);
        let pauses = (stream.lagged - lagged) / 1000;
        assert!(pauses > u64::from(LAG_MAX / 2), "only {pauses} pauses in the mean");
    }

    // Catches answers that are put off, and trials that do not become rare.
    #[test]
    fn who_waits_for_an_answer_gets_it_at_once() {
        let mut stream = Stream::new(1 << 16);
        stream.run(1_000_000, answering);
        assert!(stream.lagged > 0, "never tried");
        assert!(stream.pauses_each() < 0.05, "{} pauses in the mean", stream.pauses_each());
        let tried = stream.lagged;
        stream.run(LOOKS * CALM_MAX / 2, answering);
        assert!(stream.lagged - tried <= u64::from(LAG_FIRST), "tried too often");
    }

    // Catches lags that delay messages of which no more come for it.
    #[test]
    fn a_steady_stream_is_not_delayed() {
        let mut stream = Stream::new(1 << 16);
        stream.run(1_000_000, steady);
        assert!(stream.pauses_each() < 1.0, "{} pauses in the mean", stream.pauses_each());
    }

    // Catches lags that go on when the stream they were of use for has changed.
    #[test]
    fn lags_end_with_the_hurry() {
        let mut stream = Stream::new(1 << 16);
        stream.run(2 * LOOKS, hampered);
        assert!(stream.backoff.lags());
        stream.run(2 * LAGS, steady);
        assert!(!stream.backoff.lags());
        stream.run(2 * LOOKS, hampered);
        assert!(stream.backoff.lags());
        stream.backoff.idle();
        assert!(!stream.backoff.lags());
    }

    // Catches lags that make the producer wait for room.
    #[test]
    fn a_small_ring_gets_short_lags() {
        let mut stream = Stream::new(64);
        stream.run(2 * LOOKS, hampered);
        let lagged = stream.lagged;
        stream.run(1000, hampered);
        let pauses = (stream.lagged - lagged) / 1000;
        assert!((1..=u64::from(LAG_MIN)).contains(&pauses), "{pauses} pauses in the mean");
    }

    // Catches a stream that is judged for ever by what it was like once.
    #[test]
    fn now_and_then_it_is_tried_without() {
        let mut stream = Stream::new(1 << 16);
        stream.run(2 * LOOKS, hampered);
        assert!(stream.backoff.lags());
        let without = (0..LAGS * (USE_MAX + 2)).filter(|_| {
            stream.run(1, hampered);
            !stream.backoff.lags()
        });
        let without = without.count();
        assert!((1..=2 * LOOKS as usize).contains(&without), "{without} looks without");
    }
}
