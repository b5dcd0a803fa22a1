//! Blocks of shell in the documents.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::{self, Script};

const MARK: &str = "<!-- not run: ";

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// Of its first line, from 1.
    line: usize,
    language: String,
    text: String,
    /// Why it cannot be run.
    not_run: Option<String>,
}

fn blocks(document: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut above) = (Vec::new(), None::<Block>, "");
    for (number, line) in document.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text += line;
                block.text.push('\n');
                open = Some(block);
            }
            (Some(language), None) => {
                let reason = above.strip_prefix(MARK).and_then(|mark| mark.strip_suffix("-->"));
                open = Some(Block {
                    line: number + 2,
                    language: language.trim().to_owned(),
                    text: String::new(),
                    not_run: reason.map(|reason| reason.trim().to_owned()),
                });
            }
            (None, None) => {}
        }
        above = line;
    }
    blocks
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let pages = fs::read_dir(root.join("docs")).expect("docs");
    let mut documents: Vec<_> = pages.map(|page| page.expect("a page").path()).collect();
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.extend([root.join("README.md"), root.join("shmring-bench/README.md")]);
    documents.sort();
    documents
}

/// The lines of output that comments promise: `tail -n 1    # 1000000; and why`.
fn promised(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let comment = line.split_once(" # ")?.1.trim_start();
        let end = comment.find(|c: char| !c.is_ascii_digit()).unwrap_or(comment.len());
        Some(&comment[..end]).filter(|number| !number.is_empty())
    })
}

/// Each of its commands needs a scene of its own, which `tests/cli/json.rs` sets.
const PLAYED_ELSEWHERE: &str = "cli-json.md";

// Catches a documented command that does not work, or not any more, or gives something else
// than the document says.
#[test]
fn blocks_of_shell_run() {
    let (mut count, mut promises) = (0, 0);
    for path in documents().iter().filter(|path| !path.ends_with(PLAYED_ELSEWHERE)) {
        let document = fs::read_to_string(path).expect("a document");
        for block in blocks(&document) {
            if block.language != "sh" || block.not_run.is_some() {
                continue;
            }
            count += 1;
            let place = format!("{}:{}", path.display(), block.line);
            // Told if it hangs.
            println!("{place}");
            let Some(ended) = sandbox::run(&Script { text: &block.text, ..Script::default() })
            else {
                continue;
            };
            let text = ended.text();
            assert!(
                ended.status.success(),
                "{place}: {:?}\n{text}\n{}",
                ended.status,
                ended.stderr
            );
            for promise in promised(&block.text) {
                promises += 1;
                assert!(text.lines().any(|line| line == promise), "{place}: {promise}: {text}");
            }
        }
    }
    assert!(count >= 2, "the blocks were not found");
    assert!(promises >= 1 || sandbox::namespaces().is_none(), "the promises were not found");
}

// Catches a command that hides from the test as something else, and a mark without a reason.
#[test]
fn commands_are_in_blocks_of_shell() {
    for path in documents() {
        let document = fs::read_to_string(&path).expect("a document");
        for Block { line, language, text, not_run } in blocks(&document) {
            let place = format!("{}:{line}", path.display());
            let is_command = |line: &str| {
                // Variables may stand in front.
                let first = line.split_whitespace().find(|word| !word.contains('='));
                matches!(first, Some("cargo" | "shmring" | "$" | "sudo"))
            };
            assert!(language == "sh" || !text.lines().any(is_command), "{place}: not marked sh");
            assert!(not_run.is_none() || language == "sh", "{place}: there is nothing to run");
            assert!(not_run.is_none_or(|reason| reason.len() > 5), "{place}: no reason is given");
        }
    }
}

// Catches blocks that are cut, merged or not found.
#[test]
fn blocks_are_found() {
    let document = "a\n```sh\none\n\ntwo\n```\n<!-- not run: too long -->\n```sh\nthree\n```\n```text\nfour\n```\n";
    let block = |line, language: &str, text: &str, not_run: Option<&str>| Block {
        line,
        language: language.to_owned(),
        text: text.to_owned(),
        not_run: not_run.map(str::to_owned),
    };
    let expected = [
        block(3, "sh", "one\n\ntwo\n", None),
        block(9, "sh", "three\n", Some("too long")),
        block(12, "text", "four\n", None),
    ];
    assert_eq!(blocks(document), expected);
}
