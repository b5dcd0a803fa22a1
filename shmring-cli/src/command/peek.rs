//! `shmring peek`: prints unread messages and leaves them in the ring.

use serde::Serialize;
use shmring::observe::{PeekEnd, Pending};
use shmring::{Kind, PeekError, Peeked};

use crate::cli::PeekArgs;
use crate::process::stop::{Exit, Stop, say};
use crate::report;
use crate::report::hex;
use crate::transfer::attaching::observe;

#[derive(Serialize)]
struct Peek {
    name: String,
    messages: Vec<MessageFacts>,
    /// The number of messages that other processes received meanwhile, or overwrote.
    missed: u64,
    ended: EndFacts,
}

#[derive(Serialize)]
struct MessageFacts {
    /// The positions at which it starts and ends, in bytes of a record ring, else in slots.
    start: u64,
    end: u64,
    /// The length of the message.
    bytes: u64,
    /// The number of bytes that are shown.
    shown_bytes: u64,
    /// Absent if the shown bytes are not UTF-8.
    text: Option<String>,
    /// Absent if there is text, unless the user asked for hexadecimal.
    hex: Option<String>,
    #[serde(skip)]
    content: Vec<u8>,
}

/// Why no more messages follow.
#[derive(Serialize)]
struct EndFacts {
    /// `limit`, `empty`, `in_flight`, `corrupt` or `outrun`.
    kind: &'static str,
    /// The position that is in flight or corrupt, if one is.
    position: Option<u64>,
}

pub(crate) fn run(args: &PeekArgs) -> Result<(), Stop> {
    let observer = observe(&args.target)?;
    let name = &observer.info().name;
    let max_bytes = usize::try_from(args.bytes).unwrap_or(usize::MAX);
    let peeked = observer.peek(args.messages, max_bytes).map_err(|error| match error {
        PeekError::Failed(fault) => Stop::fault(name, &fault),
        error => Stop::new(Exit::Failed, format!("{name:?}: {error}")),
    })?;
    let Peeked { messages, missed, end, .. } = peeked;
    let facts = Peek {
        name: name.clone(),
        messages: messages.into_iter().map(|one| MessageFacts::of(one, args.hex)).collect(),
        missed,
        ended: EndFacts::of(end),
    };
    report::print(args.json, &facts, |facts| text(facts, args.hex))?;
    let is_broadcast = observer.info().ring().kind == Kind::Broadcast;
    let left = if is_broadcast { "overwritten meanwhile" } else { "received meanwhile by others" };
    if missed > 0 {
        say(format_args!("{} {left}", report::count(missed, "message")));
    }
    conclude(args, name, facts.messages.len(), end)
}

/// Reports why the messages end.
fn conclude(args: &PeekArgs, name: &str, shown: usize, end: PeekEnd) -> Result<(), Stop> {
    match end {
        PeekEnd::Corrupt(corrupt) => {
            return Err(Stop::new(Exit::Corrupt, format!("{name:?}: {corrupt}")));
        }
        PeekEnd::InFlight { position } => say(format_args!(
            "position {position} is claimed and not published; `shmring stat {}` shows by whom",
            args.target.typed()
        )),
        PeekEnd::Outrun => say("others are faster than this; try again, or stop them"),
        PeekEnd::Empty if shown == 0 => say("no messages"),
        _ => {}
    }
    Ok(())
}

impl EndFacts {
    fn of(end: PeekEnd) -> Self {
        let (kind, position) = match end {
            PeekEnd::Limit => ("limit", None),
            PeekEnd::Empty => ("empty", None),
            PeekEnd::InFlight { position } => ("in_flight", Some(position)),
            PeekEnd::Corrupt(corrupt) => ("corrupt", Some(corrupt.position)),
            _ => ("outrun", None),
        };
        Self { kind, position }
    }
}

impl MessageFacts {
    fn of(pending: Pending, wants_hex: bool) -> Self {
        let Pending { start, end, len, bytes: mut content, .. } = pending;
        if let Err(error) = std::str::from_utf8(&content)
            && error.error_len().is_none()
            && (content.len() as u64) < len
        {
            // The last character was cut.
            content.truncate(error.valid_up_to());
        }
        let text = std::str::from_utf8(&content).ok().map(str::to_owned);
        let hex = (wants_hex || text.is_none()).then(|| hex::digits(&content));
        Self { start, end, bytes: len, shown_bytes: content.len() as u64, text, hex, content }
    }

    fn line(&self) -> String {
        let text = report::printable_bytes(&self.content);
        let more = if self.shown_bytes < self.bytes { "..." } else { "" };
        format!("{text}{more}")
    }
}

fn text(facts: &Peek, wants_hex: bool) -> String {
    let widest = |of: fn(&MessageFacts) -> u64| {
        facts.messages.iter().map(|one| of(one).to_string().len()).max().unwrap_or(0)
    };
    let (start, bytes) = (widest(|one| one.start), widest(|one| one.bytes));
    let mut text = String::new();
    for message in &facts.messages {
        if wants_hex {
            let lines = hex::dump(&message.content);
            text += &format!("{}  {} bytes\n{lines}", message.start, message.bytes);
        } else {
            let MessageFacts { start: at, bytes: len, .. } = message;
            text += &format!("{at:>start$}  {len:>bytes$}  {}\n", message.line());
        }
    }
    text
}
