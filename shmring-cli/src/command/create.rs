//! `shmring create`: makes a segment and prints what it made.

use serde::Serialize;
use shmring::{AttachError, AttachOptions, Config, CreateError, Description, Segment};

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
    rounded_up_from_slots: Option<u64>,
    rounded_up_from_slot_bytes: Option<u64>,
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
    let rounded = |asked: Option<u64>, made| asked.filter(|asked| Some(*asked) != made);
    let facts = Created {
        existed,
        rounded_up_from_bytes: rounded(args.capacity, Some(description.capacity_bytes)),
        rounded_up_from_slots: rounded(args.slots, description.slots),
        rounded_up_from_slot_bytes: rounded(args.slot_bytes, description.slot_bytes),
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
        // The mode asked for is the one that is accepted.
        let open = args.mode.is_some_and(|mode| mode & 0o002 != 0);
        match AttachOptions::new().accept_world_writable(open).attach(&args.name) {
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
    let mut config = Config::new(args.kind);
    if let Some(bytes) = args.capacity {
        config = config.capacity_bytes(bytes);
    }
    if let Some(slots) = args.slots {
        config = config.slots(slots);
    }
    if let Some(bytes) = args.slot_bytes {
        config = config.slot_bytes(bytes);
    }
    if let Some(mode) = args.mode {
        config = config.mode(mode);
    }
    config.prefault(args.prefault).lock(args.lock).huge_pages(args.huge_pages)
}

/// Whether an existing segment is what was asked for: a ring of bytes. What was not
/// asked for may be as it likes.
fn check_compatible(args: &CreateArgs, config: &Config, found: &Description) -> Result<(), Stop> {
    let capacity = config.rounded_capacity_bytes().ok();
    let (slots, slot_bytes) = config.rounded_slots().ok().flatten().unzip();
    let is_so = args.kind == found.kind
        && found.element.is_none()
        && (args.capacity.is_none() || capacity == Some(found.capacity_bytes))
        && (args.slots.is_none() || slots == found.slots)
        && (args.slot_bytes.is_none() || slot_bytes == found.slot_bytes)
        && args.mode.is_none_or(|asked| asked == found.mode);
    if is_so {
        return Ok(());
    }
    let found = SegmentFacts::of(found).summary();
    Err(Stop::new(Exit::Taken, format!("{:?} exists, but is something else: {found}", args.name)))
}

fn text(facts: &Created) -> String {
    let name = report::printable(&facts.segment.name);
    let verb = if facts.existed { "existed" } else { "created" };
    let mut text = format!("{verb} {name}: {}\n", facts.segment.summary());
    let Created { segment, rounded_up_from_bytes: bytes, .. } = facts;
    for (what, asked, made, rule) in [
        ("capacity", *bytes, Some(segment.capacity_bytes), " bytes, a power of two"),
        ("slots", facts.rounded_up_from_slots, segment.slots, ", a power of two"),
        (
            "slot size",
            facts.rounded_up_from_slot_bytes,
            segment.slot_bytes,
            " bytes, a multiple of 8",
        ),
    ] {
        if let Some((asked, made)) = asked.zip(made) {
            text += &format!("{what} rounded up from {asked} to {made}{rule}\n");
        }
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
