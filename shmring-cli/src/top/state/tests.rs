//! What becomes of the state, event by event.

use super::super::fixture::{broken, moving, sample, still};
use super::*;
use crate::facts::State as Standing;

const ENTER: Key = Key::Enter;

fn looked(entries: Vec<Entry<Sample>>) -> Event {
    Event::Looked(Ok(entries))
}

fn state(entries: Vec<Entry<Sample>>) -> State {
    let mut state = State::new(Duration::from_secs(1));
    assert_eq!(state.handle(looked(entries)), None);
    state
}

/// Presses keys none of which asks for anything.
#[track_caller]
fn press(state: &mut State, keys: &str) {
    for letter in keys.chars() {
        assert_eq!(state.handle(Event::Key(Key::Char(letter))), None, "{letter}");
    }
}

fn key(state: &mut State, key: Key) -> Option<Action> {
    state.handle(Event::Key(key))
}

fn rows(state: &State) -> Vec<&str> {
    state.rows().map(Entry::name).collect()
}

fn selected(state: &State) -> &str {
    state.selected().map_or("none", Entry::name)
}

fn abc() -> Vec<Entry<Sample>> {
    vec![moving("a", 10), moving("b", 30), moving("c", 20)]
}

// Catches a selection that stays at a row while its segment goes elsewhere, and one that is lost
// or out of bounds when segments go.
#[test]
fn the_selection_stays_with_its_segment() {
    let mut state = state(abc());
    assert_eq!(selected(&state), "a");
    press(&mut state, "j");
    assert_eq!(selected(&state), "b");
    press(&mut state, "M");
    assert_eq!((rows(&state), selected(&state)), (vec!["b", "c", "a"], "b"));
    press(&mut state, "r");
    assert_eq!((rows(&state), selected(&state)), (vec!["a", "c", "b"], "b"));
    // What comes before it now moves faster than it.
    state.handle(looked(vec![moving("a", 90), moving("b", 30), moving("c", 20), moving("d", 1)]));
    assert_eq!((rows(&state), selected(&state)), (vec!["d", "c", "b", "a"], "b"));
    state.handle(looked(vec![moving("a", 90), moving("c", 20), moving("d", 1)]));
    assert_eq!(selected(&state), "a", "it has the place of the one that is gone");
    state.handle(looked(vec![moving("c", 20)]));
    assert_eq!(selected(&state), "c");
    state.handle(looked(vec![]));
    assert_eq!(selected(&state), "none");
    press(&mut state, "jkgG");
    state.handle(looked(abc()));
    assert_eq!(selected(&state), "a");
}

// Catches a column that cannot be sorted by, ties in any order, and what is broken at the top
// of the numbers.
#[test]
fn sorting_by_every_column() {
    let entries = || {
        let stuck = still("stuck", "full", Standing::Open);
        vec![moving("fast", 9), broken("bad", "torn"), moving("b", 3), moving("a", 3), stuck]
    };
    let mut state = state(entries());
    assert_eq!(rows(&state), ["a", "b", "bad", "fast", "stuck"]);
    for (letter, order) in [
        ('M', ["fast", "a", "b", "stuck", "bad"]),
        ('I', ["fast", "a", "b", "stuck", "bad"]),
        ('O', ["fast", "a", "b", "stuck", "bad"]),
        ('F', ["a", "b", "fast", "stuck", "bad"]),
        ('D', ["a", "b", "fast", "stuck", "bad"]),
        ('K', ["bad", "a", "b", "fast", "stuck"]),
        ('S', ["bad", "stuck", "a", "b", "fast"]),
        ('N', ["a", "b", "bad", "fast", "stuck"]),
        ('N', ["stuck", "fast", "bad", "b", "a"]),
    ] {
        press(&mut state, &letter.to_string());
        assert_eq!(rows(&state), order, "{letter}");
    }
    for column in Column::ALL {
        press(&mut state, &column.key().to_string());
        assert_eq!(state.sort.column, column);
    }
}

// Catches a filter that lets others through, that keys of the table end, or that Esc does not
// take back.
#[test]
fn a_filter_is_typed() {
    let mut state = state(vec![sample("prices"), sample("quotes"), sample("q")]);
    press(&mut state, "/q");
    assert_eq!(rows(&state), ["q", "quotes"]);
    assert!(matches!(state.view, View::Filter { .. }));
    press(&mut state, "x+?");
    assert_eq!((rows(&state).len(), &*state.filter), (0, "qx+?"));
    for _ in 0..3 {
        key(&mut state, Key::Backspace);
    }
    key(&mut state, ENTER);
    assert_eq!((&state.view, rows(&state)), (&View::Table, vec!["q", "quotes"]));
    press(&mut state, "/z");
    key(&mut state, Key::Esc);
    assert_eq!(rows(&state), ["q", "quotes"], "as it was before it was typed");
    key(&mut state, Key::Esc);
    assert_eq!(rows(&state), ["prices", "q", "quotes"]);
    press(&mut state, &format!("/{}", "x".repeat(1000)));
    assert_eq!(state.filter.len(), MAX_FILTER);
}

// Catches a segment that is left when it moves in the table, and a help that does not lead back
// to where it was asked for.
#[test]
fn one_segment_and_the_help() {
    let mut state = state(abc());
    press(&mut state, "j");
    key(&mut state, ENTER);
    let b = View::Segment { name: "b".to_owned(), scroll: 0 };
    assert_eq!(state.view, b);
    state.handle(looked(vec![moving("a", 1)]));
    assert_eq!(state.view, b, "it may come back");
    press(&mut state, "?");
    assert!(matches!(state.view, View::Help { .. }));
    press(&mut state, "j");
    assert!(matches!(state.view, View::Help { scroll: 1, .. }));
    key(&mut state, Key::Esc);
    assert_eq!(state.view, b);
    press(&mut state, "j");
    assert_eq!(state.view, View::Segment { name: "b".to_owned(), scroll: 1 });
    key(&mut state, Key::Esc);
    assert_eq!(state.view, View::Table);
    state.handle(looked(vec![]));
    key(&mut state, ENTER);
    assert_eq!(state.view, View::Table, "there is nothing to show");
}

// Catches moves by another distance than the screen's, and beyond the ends.
#[test]
fn pages() {
    let mut state = state((0..100).map(|number| sample(&format!("{number:02}"))).collect());
    state.page = 10;
    for (pressed, at) in [
        (Key::PageDown, "10"),
        (Key::Down, "11"),
        (Key::PageUp, "01"),
        (Key::PageUp, "00"),
        (Key::Up, "00"),
        (Key::End, "99"),
        (Key::Down, "99"),
        (Key::Home, "00"),
    ] {
        key(&mut state, pressed);
        assert_eq!(selected(&state), at, "{pressed:?}");
    }
}

// Catches a pace that goes the wrong way, or on for ever.
#[test]
fn looking_more_or_less_often() {
    let mut state = State::new(Duration::from_millis(700));
    let mut paces = |pressed, count| {
        let paces = (0..count).filter_map(|_| match key(&mut state, Key::Char(pressed)) {
            Some(Action::Every(interval)) => Some(interval.as_millis()),
            _ => None,
        });
        paces.collect::<Vec<_>>()
    };
    assert_eq!(paces('+', 3), [1000, 2000, 5000]);
    assert_eq!(paces('-', 20), [2000, 1000, 500, 200, 100]);
    assert_eq!(paces('+', 20).last(), Some(&60_000));
}

// Catches an end that is not one, and a signal taken for another.
#[test]
fn ends() {
    let mut state = state(abc());
    assert_eq!(key(&mut state, Key::Ctrl('c')), Some(Action::Die(Signal::SIGINT)));
    assert_eq!(key(&mut state, Key::Ctrl('z')), Some(Action::Suspend));
    for view in ["", "?", "/"] {
        press(&mut state, view);
        assert_eq!(key(&mut state, Key::Ctrl('c')), Some(Action::Die(Signal::SIGINT)), "{view}");
        key(&mut state, Key::Esc);
    }
    key(&mut state, ENTER);
    assert_eq!(key(&mut state, Key::Char('q')), Some(Action::Quit));
    for (signal, action) in [
        (Signal::SIGTERM, Some(Action::Die(Signal::SIGTERM))),
        (Signal::SIGHUP, Some(Action::Die(Signal::SIGHUP))),
        (Signal::SIGTSTP, Some(Action::Suspend)),
        (Signal::SIGCONT, Some(Action::Restore)),
        (Signal::SIGWINCH, None),
    ] {
        assert_eq!(state.handle(Event::Signal(signal)), action);
    }
    assert_eq!(state.handle(Event::Closed), Some(Action::Die(Signal::SIGHUP)));
    let failed = state.handle(Event::Failed("why".to_owned()));
    assert_eq!(failed, Some(Action::Fail("why".to_owned())));
}

// Catches a history of another segment, of the past for ever, or of those that are gone.
#[test]
fn histories() {
    let mut state = state(vec![sample("a")]);
    for rate in 0..1000 {
        state.handle(looked(vec![moving("a", rate), broken("b", "torn")]));
    }
    let history = state.history("a").expect("a history");
    assert_eq!((history.len(), history.back()), (MAX_HISTORY, Some(&999)));
    assert!(state.history("b").is_none());
    state.handle(looked(vec![sample("a")]));
    assert_eq!(state.history("a").map(VecDeque::len), Some(0), "it is another one");
    state.handle(looked(vec![]));
    assert!(state.histories.is_empty());
}

// Catches a failure to look that is not told, or told for ever.
#[test]
fn trouble() {
    let mut state = state(abc());
    state.handle(Event::Looked(Err("no /dev/shm".to_owned())));
    assert_eq!(state.trouble.as_deref(), Some("no /dev/shm"));
    assert_eq!(rows(&state).len(), 3, "as seen last");
    state.handle(looked(abc()));
    assert_eq!(state.trouble, None);
}
