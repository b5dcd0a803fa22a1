//! `shmring doctor`: reports faults of the machine or a segment, and remedies.

use serde::Serialize;
use textwrap::{Options, fill};

use crate::cli::DoctorArgs;
use crate::doctor::{Finding, Group, Level, Machine, Patient, examine, examine_segment};
use crate::process::stop::{Exit, Stop};
use crate::report;
use crate::report::colors::{self, paint};

const COLUMNS: usize = 80;
/// The indent of the text of a finding.
const INDENT: &str = "           ";

#[derive(Serialize)]
struct Diagnosis {
    /// The segment that was checked.
    name: Option<String>,
    problems: usize,
    warnings: usize,
    notes: usize,
    groups: Vec<Group>,
}

impl Diagnosis {
    fn of(name: Option<String>, groups: Vec<Group>) -> Self {
        let count = |level| {
            groups.iter().flat_map(|group| &group.findings).filter(|one| one.level == level).count()
        };
        let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
        Self { name, problems, warnings, notes: count(Level::Note), groups }
    }
}

pub(crate) fn run(args: &DoctorArgs) -> Result<(), Stop> {
    let machine = Machine::read();
    let patient = args.name.as_deref().map(|name| Patient::read(name, &machine));
    let mut groups = examine(&machine);
    groups.extend(patient.as_ref().map(|patient| examine_segment(patient, &machine)));
    let diagnosis = Diagnosis::of(args.name.clone(), groups);
    report::print(args.json, &diagnosis, text)?;
    match patient.and_then(|patient| patient.failure()) {
        Some(exit) => Err(Stop::Reported(exit)),
        None if diagnosis.problems > 0 => Err(Stop::Reported(Exit::Failed)),
        None => Ok(()),
    }
}

fn text(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    for group in &diagnosis.groups {
        text += &paint(colors::HEADING, group.subject);
        text.push('\n');
        group.findings.iter().for_each(|finding| text += &paragraph(finding));
        text.push('\n');
    }
    let counted = |count: usize, what: &str| match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let Diagnosis { problems, warnings, notes, .. } = *diagnosis;
    text + &format!(
        "{}, {}, {}\n",
        counted(problems, "problem"),
        counted(warnings, "warning"),
        counted(notes, "note")
    )
}

fn paragraph(finding: &Finding) -> String {
    let (word, style) = match finding.level {
        Level::Ok => ("ok", colors::GOOD),
        Level::Note => ("note", colors::NOTE),
        Level::Warning => ("warning", colors::WARNING),
        Level::Problem => ("problem", colors::PROBLEM),
    };
    let wrap = |said: &str| {
        let options = Options::new(COLUMNS).initial_indent(INDENT).subsequent_indent(INDENT);
        fill(said, options.break_words(false)) + "\n"
    };
    // The level replaces the indent of the first line.
    let found = wrap(&finding.found);
    let level = format!("  {}{}", paint(style, word), " ".repeat(INDENT.len() - 2 - word.len()));
    let mut text = level + found.trim_start();
    if finding.level != Level::Ok {
        text += &wrap(&finding.means);
        text.extend(finding.remedy.as_deref().map(wrap));
        // A command is one line, so that it can be copied.
        text.extend(finding.command.as_ref().map(|command| format!("{INDENT}  {command}\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches lines that a terminal of 80 columns breaks, a command that cannot be copied,
    // and explanations of findings that are ok.
    #[test]
    fn findings_for_people() {
        let finding = |level, command: Option<&str>| Finding {
            check: "test",
            level,
            found: "word ".repeat(30).trim_end().to_owned(),
            means: "meaning ".repeat(20).trim_end().to_owned(),
            remedy: Some("Do this:".to_owned()),
            command: command.map(str::to_owned),
        };
        let warned = paragraph(&finding(Level::Warning, Some("cmd --option value")));
        let plain = anstream::adapter::strip_str(&warned).to_string();
        assert!(plain.lines().all(|line| line.len() <= COLUMNS), "{plain}");
        assert!(plain.starts_with("  warning  word"), "{plain}");
        assert!(plain.contains("\n             cmd --option value\n"), "{plain}");
        assert!(plain.contains("meaning meaning"), "{plain}");
        let fine = paragraph(&finding(Level::Ok, None));
        assert!(!fine.contains("meaning"), "{fine}");
    }
}
