//! Segments as files of text, and as files in shared memory.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Name, Prologue};

const LINE: usize = 16;

pub(crate) fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

pub(crate) fn word(image: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(image[offset..offset + 8].try_into().unwrap())
}

/// Lines of an offset and sixteen bytes, as `xxd` writes and reads them. Lines of zeros are
/// left out, but for the last one, which says how long the file is.
pub(crate) fn dump(image: &[u8]) -> String {
    let mut text = String::new();
    let last = image.len() / LINE - 1;
    for (index, line) in image.chunks(LINE).enumerate() {
        if index == last || line.iter().any(|byte| *byte != 0) {
            let mut pairs = String::new();
            for pair in line.chunks(2) {
                write!(pairs, " {:02x}{:02x}", pair[0], pair[1]).unwrap();
            }
            writeln!(text, "{:08x}:{pairs}", index * LINE).unwrap();
        }
    }
    text
}

fn undump(text: &str) -> Vec<u8> {
    let lines: Vec<(usize, Vec<u8>)> = text
        .lines()
        .map(|line| {
            let (offset, pairs) = line.split_once(": ").unwrap();
            let digits = pairs.replace(' ', "");
            let bytes = (0..LINE).map(|i| u8::from_str_radix(&digits[i * 2..i * 2 + 2], 16));
            (usize::from_str_radix(offset, 16).unwrap(), bytes.collect::<Result<_, _>>().unwrap())
        })
        .collect();
    let mut image = vec![0; lines.last().unwrap().0 + LINE];
    for (offset, bytes) in lines {
        image[offset..offset + LINE].copy_from_slice(&bytes);
    }
    image
}

/// The bytes of the golden file of that name.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    undump(&fs::read_to_string(path(&format!("{name}.hex"))).unwrap())
}

/// Puts an image where segments are.
pub(crate) fn place(image: &[u8]) -> Name {
    let name = Name::new();
    fs::write(name.path(), image).unwrap();
    name
}

/// Sets values that differ from run to run to fixed ones: times, and the creator and the users.
pub(crate) fn normalise(image: &mut [u8]) {
    let mut prologue = Prologue::of(image);
    prologue.set(9, 1_700_000_000_000_000_000);
    prologue.set(10, 4321);
    prologue.sign();
    image[..prologue.0.len()].copy_from_slice(&prologue.0);
    for entry in 0..word(image, 6 * 8) as usize {
        let at = prologue.0.len() + 64 * entry;
        if word(image, at) != 0 {
            image[at + 8..at + 12].copy_from_slice(&(4321 + entry as u32).to_le_bytes());
            image[at + 12..at + 16].copy_from_slice(&1000_u32.to_le_bytes());
            image[at + 16..at + 24].copy_from_slice(&5678_u64.to_le_bytes());
            image[at + 24..at + 32].copy_from_slice(&0xF000_0000_u64.to_le_bytes());
        }
    }
}

/// Catches a dump that does not give the same bytes again.
#[test]
fn a_dump_holds_every_byte() {
    let mut image = vec![0; 64];
    assert_eq!(undump(&dump(&image)), image);
    image[17] = 0xA5;
    let text = "00000010: 00a5 0000 0000 0000 0000 0000 0000 0000\n\
                00000030: 0000 0000 0000 0000 0000 0000 0000 0000\n";
    assert_eq!(dump(&image), text);
    assert_eq!(undump(text), image);
}
