//! The same bytes are written today.

use std::fs;
use std::ops::Range;

use crate::common::{Name, watchdog};
use crate::image::{dump, golden, normalise, path, place};
use crate::listing::listing;
use crate::scenes::{ALL, Scene, TWO_RINGS};

/// How large a file in the sources may be.
const MAX_DUMP_BYTES: usize = 20 << 10;

fn make(scene: &Scene) -> Vec<u8> {
    let name = Name::new();
    let mut image = (scene.make)(&name);
    normalise(&mut image);
    image
}

fn write(scene: &Scene) {
    let image = make(scene);
    fs::write(path(&format!("{}.hex", scene.name)), dump(&image)).unwrap();
    fs::write(path(&format!("{}.txt", scene.name)), listing(&place(&image))).unwrap();
}

fn zero(image: &mut [u8], ranges: &[Range<usize>]) {
    for range in ranges {
        image[range.clone()].fill(0);
    }
}

/// Catches a change of the format that goes unnoticed, since both sides of the library have it.
#[test]
fn todays_segments_have_the_bytes_of_the_golden_ones() {
    let _watchdog = watchdog("todays_segments_have_the_bytes_of_the_golden_ones");
    if std::env::var_os("SHMRING_WRITE_GOLDEN").is_some() {
        let text = listing(&place(&golden(TWO_RINGS)));
        fs::write(path(&format!("{TWO_RINGS}.txt")), text).unwrap();
    }
    for scene in &ALL {
        if std::env::var_os("SHMRING_WRITE_GOLDEN").is_some() {
            write(scene);
        }
        let (mut golden, mut today) = (golden(scene.name), make(scene));
        assert!(dump(&golden).len() < MAX_DUMP_BYTES, "{} is too large", scene.name);
        zero(&mut golden, scene.open);
        zero(&mut today, scene.open);
        assert_eq!(dump(&today), dump(&golden), "{}", scene.name);
    }
}

/// Catches a comparison that leaves out what counts: each word that is left open is one that a
/// reader of the document does not need.
#[test]
fn unspecified_bytes_matter_to_no_reader() {
    for scene in &ALL {
        let mut image = golden(scene.name);
        for range in scene.open.iter().filter(|range| range.start >= crate::scenes::DATA) {
            image[range.clone()].fill(0xEE);
        }
        let expected = fs::read_to_string(path(&format!("{}.txt", scene.name))).unwrap();
        assert_eq!(listing(&place(&image)), expected, "{}", scene.name);
    }
}
