//! Machines and segments that are shown to the checks.

mod machines;
mod segments;

use super::{Finding, Group, Level};

/// What one check says, of all that were made.
#[track_caller]
fn said<'a>(groups: &'a [Group], check: &str) -> &'a Finding {
    let mut all = groups.iter().flat_map(|group| &group.findings).filter(|one| one.check == check);
    let found = all.next().unwrap_or_else(|| panic!("nothing is said about {check}"));
    assert!(all.next().is_none(), "{check} is said twice");
    found
}

/// A finding of that level that has all `words` somewhere, and what a finding must have.
#[track_caller]
fn expect(groups: &[Group], check: &str, level: Level, words: &[&str]) {
    let finding = said(groups, check);
    assert_eq!(finding.level, level, "{finding:?}");
    let remedy = finding.remedy.as_deref().unwrap_or_default();
    let command = finding.command.as_deref().unwrap_or_default();
    let all = [&finding.found, &finding.means, remedy, command].join("\n");
    for word in words {
        assert!(all.contains(word), "{word:?} is not in {finding:?}");
    }
    assert_proper(finding);
}

/// Catches what no finding may be: one that does not say what it means or, where something
/// does not work, what to do.
#[track_caller]
fn assert_proper(finding: &Finding) {
    assert!(!finding.found.is_empty() && finding.means.ends_with('.'), "{finding:?}");
    assert!(finding.level < Level::Warning || finding.remedy.is_some(), "{finding:?}");
    assert!(finding.command.is_none() || finding.remedy.is_some(), "{finding:?}");
    // A terminal of 80 columns shows it in one line.
    assert!(finding.command.as_ref().is_none_or(|command| command.len() <= 120), "{finding:?}");
}
