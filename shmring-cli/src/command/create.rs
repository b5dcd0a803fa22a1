//! `shmring create`: creates a segment and describes it.

use serde::Serialize;
use shmring::{AttachError, AttachOptions, Config, CreateError, Segment, SegmentInfo};

use crate::cli::CreateArgs;
use crate::command::configuration::{self, Made, Progress};
use crate::facts::SegmentFacts;
use crate::process::stop::{Exit, Stop};
use crate::report;

/// How often a name may vanish between `Exists` and the attempt to attach.
const MAX_VANISHED: u32 = 16;

#[derive(Serialize)]
struct Created {
    /// `true` if it existed; otherwise this call created it.
    existed: bool,
    #[serde(flatten)]
    made: Made,
}

pub(crate) fn run(args: &CreateArgs) -> Result<(), Stop> {
    let (segment, existed) = make(args)?;
    let facts = Created { existed, made: Made::of(&segment, &args.ring) };
    report::print(args.json, &facts, text)
}

/// Creates or attaches to the segment. Returns it, and `true` if it existed.
fn make(args: &CreateArgs) -> Result<(Segment, bool), Stop> {
    let (_progress, config) = Progress::of(config(args));
    if args.recreate {
        return Ok((Segment::recreate(&args.name, &config)?, false));
    }
    for _ in 0..MAX_VANISHED {
        match Segment::create(&args.name, &config) {
            Ok(segment) => return Ok((segment, false)),
            Err(CreateError::Exists { .. }) if args.exist_ok => {}
            Err(error) => return Err(error.into()),
        }
        // A mode that the user asked for is one that the user accepts.
        let open = args.mode.is_some_and(|mode| mode & 0o002 != 0);
        match AttachOptions::new().accept_world_writable(open).attach(&args.name) {
            Ok(segment) => {
                check_compatible(args, &config, segment.info())?;
                return Ok((segment, true));
            }
            // Unlinked in between.
            Err(AttachError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::new(
        Exit::Failed,
        format!(
            "{:?} keeps appearing and vanishing; another process creates and unlinks it",
            args.name
        ),
    ))
}

fn config(args: &CreateArgs) -> Config {
    let config = configuration::config(&args.ring);
    args.mode.map_or(config.clone(), |mode| config.mode(mode))
}

/// Checks that an existing segment has the configuration that was asked for. Other settings are
/// not compared.
fn check_compatible(args: &CreateArgs, config: &Config, found: &SegmentInfo) -> Result<(), Stop> {
    let capacity = config.rounded_capacity_bytes().ok();
    let (slots, slot_bytes) = config.rounded_slots().ok().flatten().unzip();
    let is_so = args.ring.kind == found.ring().kind
        && found.ring().element.is_none()
        && (args.ring.capacity.is_none() || capacity == Some(found.ring().capacity_bytes))
        && (args.ring.slots.is_none() || slots == found.ring().slots)
        && (args.ring.slot_bytes.is_none() || slot_bytes == found.ring().slot_bytes)
        && args.ring.metadata.as_ref().is_none_or(|text| text.as_bytes() == found.metadata)
        && args.mode.is_none_or(|asked| asked == found.mode);
    if is_so {
        return Ok(());
    }
    let found = SegmentFacts::of(found).summary();
    let message = format!(
        "{:?} exists, but differs: {found}; recreate it, or choose another name",
        args.name
    );
    Err(Stop::new(Exit::Taken, message))
}

fn text(facts: &Created) -> String {
    let segment = &facts.made.segment;
    let name = report::printable(&segment.name);
    let verb = if facts.existed { "existed" } else { "created" };
    format!("{verb} {name}: {}\n{}", segment.summary(), facts.made.differences())
}
