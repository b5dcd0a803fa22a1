//! The errors of `#[derive(Element)]`, as the compiler reports them: each file in `cases` marks the
//! lines at which it must report an error, by `//~` and words of the message. The compiler itself
//! is run, since padding and bounds are checked after the macro.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const SOUND: &str = "#[derive(Clone, Copy, shmring::Element)]\n\
                     #[repr(C)]\n\
                     struct Price(f64);\n\
                     fn main() {\n    let _ = Price(1.0).0;\n}\n";

/// A build of the library that sources can be compiled against.
struct Library {
    file: PathBuf,
    directories: Vec<PathBuf>,
}

impl Library {
    /// Finds the library that this test was built with, or one as new: the newest that the
    /// compiler accepts.
    fn find() -> Self {
        let own = env::current_exe().unwrap().parent().unwrap().to_owned();
        // With a target named, macros are built in the directory of the host.
        let host = own.join("../../../debug/deps");
        let directories = vec![own.clone(), host];
        let mut files: Vec<PathBuf> =
            fs::read_dir(own).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libshmring-") && name.ends_with(".rlib")
        });
        let built = |path: &PathBuf| fs::metadata(path).and_then(|stat| stat.modified()).ok();
        files.sort_by_key(|path| built(path).unwrap_or(SystemTime::UNIX_EPOCH));
        let sound = Path::new(env!("CARGO_TARGET_TMPDIR")).join("derive-sound.rs");
        fs::write(&sound, SOUND).unwrap();
        let libraries =
            files.into_iter().rev().map(|file| Self { file, directories: directories.clone() });
        let mut refused = String::new();
        for library in libraries {
            match library.compile(&sound) {
                (true, _) => return library,
                (false, report) => refused.push_str(&report),
            }
        }
        panic!("no build of the library is accepted:\n{refused}");
    }

    /// Whether a source compiles, and what the compiler reports: a line for each error.
    fn compile(&self, source: &Path) -> (bool, String) {
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition=2024", "--crate-type=bin", "--emit=metadata"]);
        rustc.args(["--error-format=short", "--cap-lints=allow"]);
        rustc.arg("--out-dir").arg(env!("CARGO_TARGET_TMPDIR"));
        rustc.arg("--extern").arg(format!("shmring={}", self.file.display()));
        for directory in &self.directories {
            rustc.arg("-L").arg(format!("dependency={}", directory.display()));
        }
        let output = rustc.arg(source).output().expect("rustc is there");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The lines of a report, as `path:line:column: error[code]: message`, that belong to `source`.
fn errors(report: &str, source: &Path) -> Vec<(usize, String)> {
    let start = format!("{}:", source.display());
    let of = |line: &str| {
        let (number, rest) = line.strip_prefix(&start)?.split_once(':')?;
        let (_, message) = rest.split_once(": ")?;
        message.starts_with("error").then(|| (number.parse().unwrap(), message.to_owned()))
    };
    report.lines().filter_map(of).collect()
}

/// The marked lines, and the words that an error at each has.
fn marks(text: &str) -> Vec<(usize, &str)> {
    let numbered = (1..).zip(text.lines());
    numbered.filter_map(|(number, line)| Some((number, line.split_once("//~ ")?.1))).collect()
}

/// Catches a type that compiles although a ring cannot hold it, an error that points elsewhere, and
/// one that does not say what is wrong.
#[test]
fn each_refusal_points_at_the_cause() {
    let library = Library::find();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/derive_errors/cases");
    let mut sources: Vec<_> =
        fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.sort();
    assert!(sources.len() >= 14, "the cases were not found");
    let mut wrong = String::new();
    for source in &sources {
        let text = fs::read_to_string(source).unwrap();
        let marks = marks(&text);
        assert!(!marks.is_empty(), "no line of {} is marked", source.display());
        let (compiles, report) = library.compile(source);
        let errors = errors(&report, source);
        let is_found = |(line, words): &(usize, &str)| {
            errors.iter().any(|(at, message)| at == line && message.contains(words))
        };
        let is_marked = |(line, _): &(usize, String)| marks.iter().any(|(at, _)| at == line);
        if compiles || !marks.iter().all(is_found) || !errors.iter().all(is_marked) {
            wrong.push_str(&format!("{} wants {marks:?}, reported:\n{report}\n", source.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
