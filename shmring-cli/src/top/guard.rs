//! Catches a panic, and returns its message. The panic handler would write it while the screen is
//! shown, and it would be lost.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// The message of a panic in this thread; `None` if the thread is not guarded.
    static MISTAKE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs some work. Returns the message if it panicked.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !note(info) {
                usual(info);
            }
        }));
    });
    MISTAKE.set(Some(String::new()));
    // No code uses the state that the panic left incomplete.
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    let mistake = MISTAKE.take().unwrap_or_default();
    done.map_err(|_| format!("a mistake of this program: {mistake}; please report it"))
}

/// Keeps the message of a panic if the thread is guarded. Returns `false` if it is not.
fn note(info: &PanicHookInfo<'_>) -> bool {
    MISTAKE.with_borrow_mut(|mistake| {
        let Some(mistake) = mistake else {
            return false;
        };
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let what = text.unwrap_or("no words");
        let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
        *mistake = format!("{what:?}{}", place.unwrap_or_default());
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a panic that is not reported, and a message that is lost.
    #[test]
    fn a_mistake_becomes_a_message() {
        assert_eq!(guarded(|| 7), Ok(7));
        let told = guarded(|| panic!("no such row: {}", 3)).expect_err("a mistake");
        assert!(told.contains("no such row: 3") && told.contains("guard.rs:"), "{told}");
    }
}
