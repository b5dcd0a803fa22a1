//! Where documented commands run: in namespaces of their own, with an empty /dev/shm and
//! /run, in an empty directory that is their home. So they may use any name, and nothing
//! that they start or leave behind outlives them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::support::{Ended, Running};

/// The shell's part of the sandbox. What fails ends the script, and also counts where a shell
/// passes it over: in the background. Servers never end by themselves.
const FRAME: &str = r#"
set -e -o pipefail
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
shmring() {
    command shmring "$@" || {
        set -- $? "$@"
        echo "code $1: shmring ${*:2}" >> "$HOME/.failures"
        return "$1"
    }
}
(
:
SETUP
) > /dev/null
# What was set up is ready when its socket is there.
await() { for _ in $(seq 600); do [ -S "$1" ] && return; sleep 0.05; done; return 1; }
[ -z "$AWAITED" ] || await "$AWAITED"
SCRIPT
for process in /proc/[0-9]*; do
    case "$(tr '\0' ' ' 2> /dev/null < "$process/cmdline")" in
        "shmring serve "*) kill -TERM "${process#/proc/}" ;;
    esac
done
wait
[ ! -e "$HOME/.failures" ] || { cat "$HOME/.failures" >&2; exit 1; }
"#;

/// `tail -f` never ends; this one does.
const TAIL: &str = "#!/bin/sh\nif [ \"$1\" = -f ]; then shift; exec cat \"$@\"; fi\n\
                    exec /usr/bin/tail \"$@\"\n";

/// Files that documents speak of.
const FILES: [(&str, &str); 4] = [
    ("x.txt", "x 1\nx 2\n"),
    ("y.txt", "y 1\ny 2\n"),
    ("log", "one\ntwo\nthree\n"),
    ("image.raw", "no text\0at all"),
];
/// Directories in which people have files of that kind.
const DIRECTORIES: [&str; 5] = [
    "bin",
    ".zfunc",
    ".config/fish/completions",
    ".local/share/bash-completion/completions",
    ".local/share/man/man1",
];

/// What to run, and what has to be there first.
#[derive(Default)]
pub(crate) struct Script<'a> {
    /// Run before, in a shell of its own; what it starts goes on.
    pub(crate) setup: &'a str,
    /// A socket that the setup makes.
    pub(crate) awaited: &'a str,
    pub(crate) text: &'a str,
}

/// Options of unshare that are permitted here.
pub(crate) fn namespaces() -> Option<&'static [&'static str]> {
    const COMMON: [&str; 5] = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];
    const AS_USER: [&str; 7] =
        ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];
    static PERMITTED: OnceLock<Option<&[&str]>> = OnceLock::new();
    *PERMITTED.get_or_init(|| {
        let works = |options: &&[&str]| {
            let mut command = Command::new("unshare");
            command.args(*options).args(["mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]);
            command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        [&COMMON[..], &AS_USER].into_iter().find(works)
    })
}

/// Runs a script to its end; nothing where namespaces are not permitted.
pub(crate) fn run(script: &Script<'_>) -> Option<Ended> {
    let Some(options) = namespaces() else {
        println!("skipped: no namespaces are to be had here");
        return None;
    };
    let home = furnished();
    let binary = Path::new(env!("CARGO_BIN_EXE_shmring"));
    let directory = binary.parent().expect("a directory").display();
    let text = FRAME.replace("SETUP", script.setup).replace("SCRIPT", script.text);
    let mut command = Command::new("unshare");
    command.args(options).args(["bash", "-c", &text]).current_dir(home.path());
    command.env("HOME", home.path()).env("AWAITED", script.awaited).env("MANPAGER", "cat");
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}/bin:{directory}:{path}", home.path().display()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(Running::spawn(&mut command).end())
}

fn furnished() -> TempDir {
    let home = TempDir::new().expect("a directory");
    for directory in DIRECTORIES {
        fs::create_dir_all(home.path().join(directory)).expect("mkdir");
    }
    for (name, text) in FILES {
        fs::write(home.path().join(name), text).expect("write");
    }
    let tail = home.path().join("bin/tail");
    fs::write(&tail, TAIL).expect("write");
    fs::set_permissions(&tail, fs::Permissions::from_mode(0o755)).expect("chmod");
    home
}

// Catches a sandbox in which anything passes.
#[test]
fn what_fails_is_noticed() {
    let fails = |text| run(&Script { text, ..Script::default() }).map(|ended| ended.status.code());
    for text in ["false", "false | cat", "shmring unlink x &", "shmring unlink x", "nonsense"] {
        assert!(fails(text).is_none_or(|code| code.is_some_and(|code| code != 0)), "{text}");
    }
    assert!(fails("shmring create prices; test -e /dev/shm/prices").is_none_or(|c| c == Some(0)));
    assert!(!Path::new("/dev/shm/prices").exists());
}
