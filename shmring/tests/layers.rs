//! The map of the layers in `docs/design.md` against the imports of the source.

use std::fs;
use std::path::{Path, PathBuf};

/// Imports against the map: the file, the module that it imports, and why.
const EXCEPTIONS: [(&str, &str, &str); 4] = [
    ("lifecycle/attachment.rs", "attach_options", "the options decide which segment is accepted"),
    ("lifecycle/attachment.rs", "observe", "an attachment reads its status as an observer does"),
    ("lifecycle/unlink.rs", "observe", "a refused removal lists who is attached, as an observer"),
    ("memory/mapped_ring.rs", "lifecycle", "its addresses are valid while it holds the attachment"),
];
/// The module of what `lib.rs` re-exports.
const ROOT: &str = "lib";

/// The layers from the top down, each with its modules.
struct Map(Vec<(String, Vec<String>)>);

impl Map {
    /// Reads lines of the form `layer: module, module`.
    fn parse(text: &str) -> Self {
        let layers = text.lines().map(|line| {
            let (layer, modules) = line.split_once(':').expect("a line is `layer: modules`");
            (layer.to_owned(), modules.split(',').map(|name| name.trim().to_owned()).collect())
        });
        Self(layers.collect())
    }

    fn documented() -> Self {
        let text = fs::read_to_string(root().join("docs/design.md")).unwrap();
        let (_, section) = text.split_once("\n## Layers\n").expect("design.md has the layers");
        let (_, block) = section.split_once("```text\n").expect("the section has a map");
        Self::parse(block.split("\n```").next().unwrap())
    }

    /// The number of a module's layer; 0 is at the top.
    fn layer(&self, module: &str) -> Option<usize> {
        if module == ROOT {
            return Some(0);
        }
        self.0.iter().position(|(_, modules)| modules.iter().any(|name| name == module))
    }

    /// What is wrong with the imports of a file, as `file:line: rule`.
    fn check(&self, path: &str, text: &str) -> Vec<String> {
        let module = path.split('/').next().unwrap().trim_end_matches(".rs");
        let Some(own) = self.layer(module) else {
            return vec![format!("{path}:1: `{module}` is not in the map of docs/design.md")];
        };
        let mut wrong = Vec::new();
        for (line, import) in imports(path, text) {
            match self.layer(&import) {
                None => wrong.push(format!("{path}:{line}: `{import}` is not in the map")),
                Some(layer) if layer < own && !is_excepted(path, &import) => {
                    let (own, layer) = (&self.0[own].0, &self.0[layer].0);
                    wrong.push(format!(
                        "{path}:{line}: the {own} imports `{import}` of the {layer}, a layer above"
                    ));
                }
                Some(_) => {}
            }
        }
        wrong
    }
}

fn is_excepted(path: &str, import: &str) -> bool {
    EXCEPTIONS.iter().any(|(file, module, _)| *file == path && *module == import)
}

/// The modules of this crate that a file names, and in which lines: by `crate::`, or by as
/// many `super::` as lead to the root.
fn imports(path: &str, text: &str) -> Vec<(usize, String)> {
    let depth = path.trim_end_matches("/mod.rs").split('/').count();
    let to_root = "super::".repeat(depth);
    let mut found = Vec::new();
    // The braces of a `use crate::{` that goes on.
    let mut open: Option<String> = None;
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap();
        if let Some(group) = &mut open {
            group.push_str(code);
            if balance(group) == 0 {
                found.extend(heads(group).map(|name| (index + 1, name)));
                open = None;
            }
            continue;
        }
        for root in ["crate::", &to_root] {
            for (at, _) in code.match_indices(root) {
                let before = code[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || "_$:".contains(c)) {
                    continue;
                }
                let rest = &code[at + root.len()..];
                if !rest.starts_with('{') {
                    found.extend(head(rest).map(|name| (index + 1, name)));
                } else if balance(rest) > 0 {
                    open = Some(rest.to_owned());
                } else {
                    found.extend(heads(rest).map(|name| (index + 1, name)));
                }
            }
        }
    }
    found
}

fn balance(code: &str) -> isize {
    let count = |brace| code.matches(brace).count() as isize;
    count('{') - count('}')
}

/// The first name of a path. What begins with a capital is re-exported by `lib.rs`.
fn head(path: &str) -> Option<String> {
    let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    match name.chars().next()? {
        first if first.is_uppercase() => Some(ROOT.to_owned()),
        _ if name == "super" => None,
        _ => Some(name),
    }
}

/// The first names of the paths in a group with braces.
fn heads(group: &str) -> impl Iterator<Item = String> {
    let (mut depth, mut starts) = (0, Vec::new());
    for (at, c) in group.char_indices() {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth == 1 && (c == '{' || c == ',') {
            starts.push(at + 1);
        }
        if depth == 0 {
            break;
        }
    }
    starts.into_iter().filter_map(|at| head(group[at..].trim_start()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files of the library that are not tests: the path in `src`, and the text.
fn sources() -> Vec<(String, String)> {
    fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, paths);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                paths.push(path);
            }
        }
    }
    let src = root().join("shmring/src");
    let mut paths = Vec::new();
    collect(&src, &mut paths);
    paths.sort();
    let named = paths.into_iter().map(|path| {
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    named.filter(|(name, _)| !name.contains("_tests") && name != "lib.rs").collect()
}

/// Catches an import of a layer above, and a module that is not in the map.
#[test]
fn each_layer_imports_only_layers_below() {
    let (map, sources) = (Map::documented(), sources());
    assert!(sources.len() > 40, "the sources were not found");
    let wrong: Vec<String> =
        sources.iter().flat_map(|(path, text)| map.check(path, text)).collect();
    assert!(wrong.is_empty(), "a layer imports itself and those below:\n{}", wrong.join("\n"));
}

/// Catches a map, or an exception, that the source has outgrown.
#[test]
fn the_map_names_existing_modules_only() {
    let (map, sources) = (Map::documented(), sources());
    for module in map.0.iter().flat_map(|(_, modules)| modules) {
        let (file, directory) = (format!("{module}.rs"), format!("{module}/"));
        let is_there = |path: &str| path == file || path.starts_with(&directory);
        assert!(sources.iter().any(|(path, _)| is_there(path)), "there is no module `{module}`");
    }
    for (file, module, _) in EXCEPTIONS {
        let text = sources.iter().find(|(path, _)| path == file).map(|(_, text)| text);
        let found = imports(file, text.unwrap_or_else(|| panic!("there is no {file}")));
        assert!(found.iter().any(|(_, name)| name == module), "{file} does not import {module}");
    }
}

/// Catches a check that finds nothing: imports of every form are found in a planted file.
#[test]
fn planted_imports_are_found() {
    let map = Map::parse("top: face\nalgorithms: ring\nsystem: sync, sys");
    let planted = "use crate::ring::tables;\n\
                   use crate::face::Segment; // crate::comment\n\
                   use crate::{\n    sync::{Ordering, fence},\n    face::{self, Config},\n};\n\
                   let name = crate::Segment::NAME;\n\
                   use crate::{sys, Config};\n\
                   use super::super::face::Segment;\n\
                   use super::slot;\n\
                   macro_rules! of { () => { $crate::face::Segment } }\n";
    let lines = |path: &str| -> Vec<String> {
        let wrong = map.check(path, planted);
        wrong.iter().map(|wrong| wrong.split(' ').next().unwrap().to_owned()).collect()
    };
    let expected = [2, 6, 7, 8, 9].map(|line| format!("ring/slot.rs:{line}:"));
    assert_eq!(lines("ring/slot.rs"), expected);
    assert!(map.check("face.rs", "use crate::ring::Place;").is_empty());
    assert!(
        map.check("sync.rs", "use crate::ring::Place;")[0].starts_with("sync.rs:1: the system")
    );
    assert!(map.check("news.rs", "")[0].contains("not in the map"));
}
