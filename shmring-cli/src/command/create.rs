//! `shmring create`: makes a segment and prints what it made.

use serde::Serialize;
use shmring::{AttachError, Config, CreateError, Description, Kind, Segment};

use crate::cli::CreateArgs;
use crate::facts::SegmentFacts;
use crate::report;
use crate::stop::{Exit, Stop};

/// How often a name may vanish between "exists" and a look at it.
const MAX_VANISHED: u32 = 16;

#[derive(Serialize)]
struct Created {
    /// Whether it was there already; otherwise this call made it.
    existed: bool,
    /// What was asked for, where that was not a size that a ring can have.
    rounded_up_from_bytes: Option<u64>,
    #[serde(flatten)]
    segment: SegmentFacts,
    memory: Memory,
}

/// Best-effort wishes: obtained or not; absent where not asked for.
#[derive(Serialize)]
struct Memory {
    prefault: Option<bool>,
    lock: Option<bool>,
    huge_pages: Option<bool>,
}

pub(crate) fn run(args: &CreateArgs) -> Result<(), Stop> {
    let (segment, existed) = make(args)?;
    let description = segment.description();
    let obtained = segment.obtained();
    let facts = Created {
        existed,
        rounded_up_from_bytes: args.capacity.filter(|asked| *asked != description.capacity_bytes),
        segment: SegmentFacts::of(description),
        memory: Memory {
            prefault: obtained.prefault,
            lock: obtained.lock,
            huge_pages: obtained.huge_pages,
        },
    };
    report::print(args.json, &facts, text)
}

/// The segment, and whether it was there already.
fn make(args: &CreateArgs) -> Result<(Segment, bool), Stop> {
    let config = config(args);
    if args.recreate {
        return Ok((Segment::recreate(&args.name, &config)?, false));
    }
    for _ in 0..MAX_VANISHED {
        match Segment::create(&args.name, &config) {
            Ok(segment) => return Ok((segment, false)),
            Err(CreateError::Exists { .. }) if args.exist_ok => {}
            Err(error) => return Err(error.into()),
        }
        match Segment::attach(&args.name) {
            Ok(segment) => {
                check_compatible(args, &config, segment.description())?;
                return Ok((segment, true));
            }
            // Unlinked in between.
            Err(AttachError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::new(Exit::Failed, format!("{:?} comes and goes; somebody unlinks it", args.name)))
}

fn config(args: &CreateArgs) -> Config {
    let mut config = match args.kind {
        Kind::Spsc => Config::spsc(),
    };
    if let Some(bytes) = args.capacity {
        config = config.capacity_bytes(bytes);
    }
    if let Some(mode) = args.mode {
        config = config.mode(mode);
    }
    config.prefault(args.prefault).lock(args.lock).huge_pages(args.huge_pages)
}

/// Whether an existing segment is what was asked for. What was not asked for may
/// be as it likes.
fn check_compatible(args: &CreateArgs, config: &Config, found: &Description) -> Result<(), Stop> {
    let asked = config.rounded_capacity_bytes();
    let capacity = args.capacity.is_none() || asked == Ok(found.capacity_bytes);
    let mode = args.mode.is_none_or(|asked| asked == found.mode);
    if args.kind == found.kind && capacity && mode {
        return Ok(());
    }
    let found = SegmentFacts::of(found).summary();
    Err(Stop::new(Exit::Taken, format!("{:?} exists, but is something else: {found}", args.name)))
}

fn text(facts: &Created) -> String {
    let name = report::printable(&facts.segment.name);
    let verb = if facts.existed { "existed" } else { "created" };
    let mut text = format!("{verb} {name}: {}\n", facts.segment.summary());
    if let Some(asked) = facts.rounded_up_from_bytes {
        let made = facts.segment.capacity_bytes;
        text += &format!("capacity rounded up from {asked} to {made} bytes, a power of two\n");
    }
    let memory = &facts.memory;
    for (wish, obtained) in
        [("prefault", memory.prefault), ("lock", memory.lock), ("huge pages", memory.huge_pages)]
    {
        if let Some(obtained) = obtained {
            let obtained = if obtained { "obtained" } else { "not obtained" };
            text += &format!("{wish}: {obtained}\n");
        }
    }
    text
}
