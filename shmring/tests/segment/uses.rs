//! A segment's file as others see it: times, name, core files, progress.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use shmring::{AttachOptions, Config, NameState, Segment};

use crate::common::Name;

fn smallest() -> Config {
    Config::spsc().capacity_bytes(4096)
}

/// Catches a receiver that cannot know that its ring has lost its name to another one.
#[test]
fn a_segment_knows_what_its_name_means() {
    let name = Name::new();
    let segment = name.create(&smallest());
    assert_eq!(segment.name_state().unwrap(), NameState::Current);
    Segment::unlink(&name).unwrap();
    assert_eq!(segment.name_state().unwrap(), NameState::Removed);
    let other = name.create(&smallest());
    assert_eq!(segment.name_state().unwrap(), NameState::Replaced);
    assert_eq!(other.name_state().unwrap(), NameState::Current);
    let sealed = Segment::create_sealed("sealed", &smallest()).unwrap();
    assert_eq!(sealed.name_state().unwrap(), NameState::Unnamed);
}

/// Catches a file that looks unused to what removes old files, though handles come and go.
#[test]
fn handles_and_attaches_mark_the_file_as_used() {
    let name = Name::new();
    let segment = name.create(&smallest());
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let is_marked = |what: &str| {
        let file = File::options().write(true).open(name.path()).unwrap();
        assert_ne!(fs::metadata(name.path()).unwrap().modified().unwrap(), old, "{what}");
        file.set_modified(old).unwrap();
    };
    let producer = segment.producer().unwrap();
    is_marked("a handle joined");
    drop(producer);
    drop(segment);
    is_marked("detached");
}

/// The flags of this process's largest mapping of a file, whose line in `maps` holds `file`.
fn flags_of(file: &str) -> String {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut largest, mut flags, mut size) = (0, String::new(), None);
    for line in maps.lines() {
        let first = line.split(' ').next().unwrap();
        if let Some((from, to)) = first.split_once('-') {
            let [from, to] = [from, to].map(|at| usize::from_str_radix(at, 16).unwrap());
            size = line.contains(file).then_some(to - from);
        } else if let (Some(size), Some(found)) = (size, line.strip_prefix("VmFlags:"))
            && size > largest
        {
            (largest, flags) = (size, format!("{found} "));
        }
    }
    flags
}

/// Catches messages in core files without a request, and a request for them that is ignored.
#[test]
fn core_files_have_messages_only_if_asked_for() {
    let name = Name::new();
    let label = format!("dump-{}", &*name);
    for dump in [false, true] {
        let config = smallest().dump(dump);
        let is_in = |file: &str| {
            let flags = flags_of(file);
            assert!(flags.contains(" rd "), "no mapping of {file}");
            !flags.contains(" dd ")
        };
        let segment = name.create(&config);
        // It had no name when it was mapped, and is known by its inode.
        let inode = format!(" {} ", fs::metadata(name.path()).unwrap().ino());
        assert_eq!(is_in(&inode), dump, "created");
        drop(segment);
        let options = AttachOptions::new().dump(dump);
        let segment = options.attach(&name).unwrap();
        assert_eq!(is_in(&name), dump, "attached");
        Segment::unlink(&name).unwrap();
        drop(segment);
        let sealed = Segment::create_sealed(&label, &config).unwrap();
        assert_eq!(is_in(&label), dump, "sealed");
        let shared = sealed.share().unwrap();
        drop(sealed);
        let _attached = options.attach_fd(shared).unwrap();
        assert_eq!(is_in(&label), dump, "received");
    }
}

/// Catches an allocation that says nothing for seconds, and one that never says the end.
#[test]
fn making_a_segment_reports_how_far_it_is() {
    let name = Name::new();
    for (prefault, times) in [(false, 1), (true, 2)] {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let config = Config::spsc().capacity_bytes(64 << 20).prefault(prefault).on_progress({
            let reports = Arc::clone(&reports);
            move |done, total| reports.lock().unwrap().push((done, total))
        });
        let total = name.create(&config).info().total_bytes * times;
        Segment::unlink(&name).unwrap();
        let reports = reports.lock().unwrap();
        assert!(reports.is_sorted() && reports.len() >= 16, "{reports:?}");
        assert!(reports.iter().all(|(_, of)| *of == total));
        assert_eq!(reports.last(), Some(&(total, total)));
    }
}
