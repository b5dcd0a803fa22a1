//! Segments on file systems other than tmpfs, as in containers and plain directories.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::ptr;

use shmring::{AttachError, Config, CreateError, Segment};

use crate::common::child::{self, say};
use crate::common::{Name, is_root, watchdog};
use crate::scene::Scene;

const TMPFS: libc::__fsword_t = 0x0102_1994;

/// A directory outside of /dev/shm that is removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = path.join(format!("shmring-test-{}", std::process::id()));
        for part in ["shm", "upper", "lower", "work"] {
            fs::create_dir_all(path.join(part)).unwrap();
        }
        Self(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong, data: &str) -> bool {
    let text = |text: &str| CString::new(text).unwrap();
    let (source, target, kind, data) = (text(source), text(target), text(kind), text(data));
    // SAFETY: mounts in this process's own namespace; the texts live for the call.
    unsafe {
        let (source, target, kind) = (source.as_ptr(), target.as_ptr(), kind.as_ptr());
        libc::mount(source, target, kind, flags, data.as_ptr().cast()) == 0
    }
}

/// In a child: puts a directory of another file system at /dev/shm, for itself and its
/// children, and tries deaths there.
pub(crate) fn elsewhere(args: &[String]) {
    let directory = &args[0];
    // SAFETY: gives this process a namespace of its own.
    let alone = unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0
        && mount("none", "/", "none", libc::MS_REC | libc::MS_PRIVATE, "");
    let mounted = alone
        && match &*args[1] {
            "directory" => {
                mount(&format!("{directory}/shm"), "/dev/shm", "none", libc::MS_BIND, "")
            }
            _ => {
                let layers = format!(
                    "lowerdir={directory}/lower,upperdir={directory}/upper,workdir={directory}/work"
                );
                mount("overlay", "/dev/shm", "overlay", 0, &layers)
            }
        };
    if !mounted {
        return say(format!("skipped: no such mount: {}", std::io::Error::last_os_error()));
    }
    // SAFETY: the buffer is one for the call, which fills it.
    let kind = unsafe {
        let mut stat: libc::statfs = std::mem::zeroed();
        assert_eq!(libc::statfs(c"/dev/shm".as_ptr(), ptr::from_mut(&mut stat)), 0);
        stat.f_type
    };
    if kind == TMPFS {
        return say("skipped: the directory is on a tmpfs itself");
    }
    let name = Name::new();
    match Segment::create(&name, &Config::spsc().capacity_bytes(4096)) {
        Ok(_) => {}
        Err(CreateError::Attach(AttachError::NoTokens { .. })) => {
            assert!(!name.path().exists());
            return say("no tokens");
        }
        Err(error) => panic!("{error}"),
    }
    drop(name);
    for _ in 0..2 {
        let mut scene = Scene::new();
        let mut holder = child::start("hold", &[&scene.name]);
        let pid = holder.pid();
        assert_eq!(holder.hear(), pid.to_string());
        scene.assert_alive(pid, &mut holder);
        holder.kill();
        scene.assert_found_dead(pid);
    }
    say("found dead");
}

/// Catches the dead that count as alive, or the living that count as dead, where segments
/// are not on a tmpfs: such a file system may have smaller files, and other locks.
#[test]
fn deaths_are_noticed_on_other_file_systems() {
    let _watchdog = watchdog("deaths_are_noticed_on_other_file_systems");
    if !is_root() {
        println!("skipped: only root can mount");
        return;
    }
    for how in ["directory", "overlay"] {
        let directory = Directory::new();
        let said = child::start("elsewhere", &[directory.text(), how]).finish().pop().unwrap();
        println!("{how}: {said}");
        let allowed = if how == "overlay" { "no tokens" } else { "found dead" };
        assert!(said == "found dead" || said == allowed || said.starts_with("skipped"), "{said}");
    }
}
