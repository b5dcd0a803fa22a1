//! What is drawn of which state, at which size.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use super::super::event::Event;
use super::super::fixture::{broken, moving, sample, still};
use super::super::keys::Key;
use super::super::state::State;
use super::super::theme::Theme;
use super::draw;
use crate::facts::{Entry, Sample, State as Standing};

const PLAIN: Theme = Theme { has_colors: false, has_unicode: false };
const RICH: Theme = Theme { has_colors: true, has_unicode: true };

fn state(entries: Vec<Entry<Sample>>) -> State {
    let mut state = State::new(Duration::from_secs(1));
    state.handle(Event::Looked(Ok(entries)));
    state
}

fn segments() -> Vec<Entry<Sample>> {
    vec![
        moving("alpha", 1_234_567),
        broken("broken", "\"broken\" is corrupt: its file length is 0x2000; unlink it"),
        still("stuck", "in_flight", Standing::Open),
        still("unused", "empty", Standing::Idle),
    ]
}

fn keys(state: &mut State, keys: &[Key]) {
    for key in keys {
        state.handle(Event::Key(*key));
    }
}

fn buffer(state: &mut State, columns: u16, rows: u16, theme: Theme) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    terminal.draw(|frame| draw(frame, state, theme)).expect("a drawing");
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    let line = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..area.height).map(|y| line(y).trim_end().to_owned()).collect()
}

fn shown(state: &mut State, columns: u16, rows: u16) -> Vec<String> {
    lines(&buffer(state, columns, rows, PLAIN))
}

/// Where a text begins on the screen.
fn find(buffer: &Buffer, text: &str) -> (u16, u16) {
    let place = lines(buffer).iter().enumerate().find_map(|(y, line)| Some((line.find(text)?, y)));
    let (x, y) = place.unwrap_or_else(|| panic!("{text:?} is not in {:?}", lines(buffer)));
    (u16::try_from(x).expect("a column"), u16::try_from(y).expect("a row"))
}

// Catches a table that does not fit the terminal of 80 columns, columns that shift, and
// what is wrong with a segment left out.
#[test]
fn the_table_at_80_columns() {
    let mut state = state(segments());
    assert_eq!(
        shown(&mut state, 80, 8),
        [
            "shmring top  4 segments, 2 in trouble, every 1s, by NAME",
            "NAME       KIND   FILL           MSGS/S  IN B/S OUT B/S ALIVE DEAD STATE",
            "alpha      mpmc   [##    ]  25%   1.2 M  79.0 M  79.0 M     2    1 moving",
            "broken     broken: \"broken\" is corrupt: its file length is 0x2000; unlink it",
            "stuck      mpmc   [##    ]  25%       0       0       0     2    1 in flight",
            "unused     mpmc   [##    ]  25%       0       0       0     2    1 idle",
            "",
            "q quit  ? help  / filter  Enter one segment",
        ]
    );
    keys(&mut state, &[Key::Down]);
    let foot = shown(&mut state, 80, 8).pop();
    assert_eq!(
        foot.as_deref(),
        Some("\"broken\" is corrupt: its file length is 0x2000; unlink it")
    );
}

// Catches what is given up on a small screen being what one looks for, and room on a large one
// that is not used.
#[test]
fn columns_come_and_go_with_the_width() {
    let long = "a-name-that-is-longer-than-the-column";
    let mut state = state(vec![moving(long, 1000), moving("b", 5)]);
    let mut header = |columns| shown(&mut state, columns, 10)[1].clone();
    assert_eq!(header(40), "NAME              FILL  MSGS/S STATE");
    assert_eq!(header(30), "NAME            FILL STATE");
    let all = header(140);
    for name in ["CAPACITY", "USED", "IN B/S", "OUT B/S", "ALIVE", "DEAD", "STATE"] {
        assert!(all.contains(name), "{all}");
    }
    let narrow = shown(&mut state, 80, 10);
    assert!(narrow[2].starts_with("a-name-that-is mpmc"), "{narrow:?}");
    let wide = shown(&mut state, 140, 10);
    assert!(wide[2].starts_with(&long[..32]), "{wide:?}");
}

// Catches an arithmetic that fails on a screen of any size, and a name that takes the place of
// others or obeys what is in it.
#[test]
fn every_size_can_be_drawn() {
    let mut state = state(vec![
        moving("\u{6f22}\u{5b57}\u{6f22}\u{5b57}\u{6f22}\u{5b57}\u{6f22}\u{5b57}", u64::MAX),
        broken("\x1b[2J\u{202e}", "\x1b]0;title\x07"),
        still("stuck", "full", Standing::Open),
    ]);
    let views: [&[Key]; 6] = [
        &[],
        &[Key::Down],
        &[Key::Enter],
        &[Key::End],
        &[Key::Char('?'), Key::End],
        &[Key::Esc, Key::Esc, Key::Char('/'), Key::Char('x')],
    ];
    for view in views {
        keys(&mut state, view);
        for columns in (0..20).chain([39, 40, 41, 80, 300]) {
            for rows in (0..6).chain([11, 12, 13, 24]) {
                for theme in [PLAIN, RICH] {
                    let buffer = buffer(&mut state, columns, rows, theme);
                    let text = lines(&buffer).concat();
                    assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{text:?}");
                }
            }
        }
    }
}

// Catches a selected row that is not on the screen, however many there are.
#[test]
fn hundreds_of_segments_scroll() {
    let mut state = state((0..500).map(|number| sample(&format!("ring-{number:03}"))).collect());
    let first = shown(&mut state, 80, 24);
    assert_eq!((state.page, first[2].starts_with("ring-000")), (21, true));
    keys(&mut state, &[Key::PageDown, Key::PageDown]);
    let buffer = buffer(&mut state, 80, 24, PLAIN);
    let (x, y) = find(&buffer, "ring-042");
    assert!(buffer[(x, y)].modifier.contains(Modifier::REVERSED), "it is not selected");
    keys(&mut state, &[Key::End]);
    assert!(shown(&mut state, 80, 24).iter().any(|line| line.starts_with("ring-499")));
}

// Catches a segment shown without why it is stuck, or cut off without a way to the rest.
#[test]
fn one_segment_in_full() {
    let mut state = state(segments());
    for _ in 0..30 {
        state.handle(Event::Looked(Ok(segments())));
    }
    keys(&mut state, &[Key::Down, Key::Down, Key::Enter]);
    let screen = shown(&mut state, 80, 24);
    for part in [
        "ring      mpmc ring, 16 slots of 64 bytes, longest message 56 bytes, mode 0600",
        "positions head 100, tail 104",
        "Stuck for at least 12s, the time observed:",
        "  position 100 is claimed and not published, and 3 slots behind it wait",
        "  `kill -CONT 11` resumes it",
        "ROLE      PID  COMMAND   UID  IS               DOES",
        "producer   11  feed     1000  alive, sleeping  -",
        "messages/s  at most 0 of late",
    ] {
        assert!(screen.iter().any(|line| line.starts_with(part)), "{part:?}: {screen:#?}");
    }
    // On a small screen, all of it comes by and by.
    let mut seen = String::new();
    for _ in 0..40 {
        seen += &shown(&mut state, 40, 10).join(" ");
        keys(&mut state, &[Key::Down]);
    }
    for part in ["positions head 100", "kill -CONT 11", "producer   11  feed", "-          13"] {
        assert!(seen.contains(part), "{part:?}: {seen}");
    }
    assert!(seen.contains(" more "));
    assert!(!shown(&mut state, 40, 10).join(" ").contains(" more "), "this is the end");
    state.handle(Event::Looked(Ok(vec![])));
    assert!(shown(&mut state, 80, 24)[1].contains("no segment stuck any more"));
}

// Catches a history that does not show what was, or shows the latest at the wrong end.
#[test]
fn a_history_is_drawn() {
    let mut state = state(vec![moving("a", 0)]);
    for rate in [4, 0, 8] {
        state.handle(Event::Looked(Ok(vec![moving("a", rate)])));
    }
    keys(&mut state, &[Key::Enter]);
    let drawn = |state: &mut State, theme| {
        let lines = lines(&buffer(state, 80, 24, theme));
        [&lines[21], &lines[22]].map(|line| line.trim_start().to_owned())
    };
    assert_eq!(drawn(&mut state, RICH), ["\u{2588}", "\u{2588} \u{2588}"]);
    assert_eq!(drawn(&mut state, PLAIN), ["#", "# #"]);
    assert!(shown(&mut state, 80, 24)[20].contains("at most 8 of late"));
}

// Catches a key that the help does not tell, and help that a small screen cuts off.
#[test]
fn the_help() {
    let mut state = state(segments());
    keys(&mut state, &[Key::Char('?')]);
    let mut seen = Vec::new();
    for _ in 0..40 {
        let screen = shown(&mut state, 40, 10);
        assert!(screen.iter().all(|line| line.len() <= 40), "{screen:?}");
        seen.extend(screen);
        keys(&mut state, &[Key::Down]);
    }
    for part in ["q, Ctrl-C", "Enter, Right", "/ ", "+ -", "M MSGS/S       messages received/s"] {
        assert!(seen.iter().any(|line| line.starts_with(part)), "{part:?}: {seen:?}");
    }
}

// Catches colours against the user's wish, trouble that does not stand out, and a selection that
// only colour shows.
#[test]
fn colours() {
    let mut state = state(segments());
    let rich = buffer(&mut state, 80, 10, RICH);
    let style = |buffer: &Buffer, text| buffer[find(buffer, text)].style();
    assert_eq!(style(&rich, "broken: ").fg, Some(Color::Red));
    assert_eq!(style(&rich, "in flight").fg, Some(Color::Yellow));
    assert_eq!(style(&rich, "moving").fg, Some(Color::Green));
    let plain = buffer(&mut state, 80, 10, PLAIN);
    let is_plain = |cell: &Cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset);
    assert!(plain.content.iter().all(is_plain));
    assert!(style(&plain, "alpha").add_modifier.contains(Modifier::REVERSED));
    assert!(!style(&plain, "stuck").add_modifier.contains(Modifier::REVERSED));
}

// Catches a screen without a word where there is nothing, or nothing that fits.
#[test]
fn nothing_to_show() {
    let mut empty = State::new(Duration::from_secs(1));
    assert!(shown(&mut empty, 80, 10)[0].contains("looking"));
    empty.handle(Event::Looked(Ok(vec![])));
    assert!(shown(&mut empty, 80, 10)[2].contains("`shmring create NAME` makes one"));
    let mut state = state(segments());
    keys(&mut state, &[Key::Char('/'), Key::Char('?')]);
    let screen = shown(&mut state, 80, 10);
    assert!(screen[2].contains("Esc shows all") && screen[9] == "/?", "{screen:?}");
    assert!(screen[0].contains("4 segments, 0 shown"), "{screen:?}");
    state.handle(Event::Looked(Err("listing: denied".to_owned())));
    keys(&mut state, &[Key::Esc]);
    assert_eq!(shown(&mut state, 80, 10)[9], "listing: denied");
}
