use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::contender::{Room, Wait};
use crate::contenders;
use crate::machine::CpuModel;
use crate::presets;
use crate::scenario::Flow;

const README: &str = include_str!("../README.md");

fn spread() -> Spread {
    Spread { median: 2.0, min: 1.0, max: 3.0, q1: 1.5, q3: 2.5 }
}

fn absent() -> Vec<Absent> {
    vec![Absent { name: "pipe".to_owned(), failed: false, why: "it leaks".to_owned() }]
}

fn row() -> Row {
    let run = Run {
        round: 1,
        figure: 2.0,
        cpu_ns_per_message: Some(3.0),
        probe_ns: Some([1.0, 2.0]),
        messages: 3,
        seconds: 0.1,
    };
    let latency = Latency { count: 1, percentiles: [Some(1); 5], max: 1, curve: vec![(1.0, 1)] };
    Row {
        contender: "pipe".to_owned(),
        group: Group::Kernel,
        about: "a pipe".to_owned(),
        capacity_bytes: 1,
        figure: spread(),
        ratio: Some(spread()),
        probe_ratio: Some(spread()),
        cpu_ns_per_message: spread(),
        cpu_ratio: Some(spread()),
        switches_per_message: spread(),
        latency: Some(latency),
        runs: vec![run],
    }
}

fn table(scenario: Scenario) -> Table {
    Table {
        scenario,
        reference: Some("pipe".to_owned()),
        placement: Some(Placement::Near),
        probe_ns: Some(spread()),
        dropped_runs: 1,
        left_out_runs: 1,
        rows: vec![row()],
        absent: absent(),
        warnings: vec!["beware".to_owned()],
    }
}

/// A report in which nothing is missing.
pub(crate) fn whole() -> Report {
    let words = || Some("words".to_owned());
    let cpu_model = Some(CpuModel { family: 25, model: 17, stepping: 1 });
    let machine = Machine { cpu_model, governor: words(), commit: words(), ..Machine::this() };
    let cost = CostRow {
        cost: "clock".to_owned(),
        about: "it ticks".to_owned(),
        unit: Unit::Ns,
        figure: spread(),
        runs: vec![2.0],
    };
    let stream = Scenario::throughput(8, Room::Bytes(1 << 20)).wait(Wait::Block);
    Report {
        schema: SCHEMA.to_owned(),
        preset: "quick".to_owned(),
        machine,
        rounds: 1,
        rounds_done: 1,
        costs: Some(Costs { rows: vec![cost], absent: absent(), warnings: vec!["beware".into()] }),
        tables: vec![
            table(stream),
            table(Scenario::ping_pong(8).one_way(1000)),
            table(Scenario::ping_pong(8).paced(1000, 10)),
        ],
    }
}

/// Where something lies in JSON, and what it is.
fn fields(value: &Value, path: &str, found: &mut BTreeMap<String, &'static str>) {
    let kind = match value {
        Value::Object(fields_of) if fields_of.contains_key("q1") => "spread",
        Value::Object(fields_of) => {
            for (name, value) in fields_of {
                let dot = if path.is_empty() { "" } else { "." };
                fields(value, &format!("{path}{dot}{name}"), found);
            }
            return;
        }
        Value::Array(items) => {
            return items.iter().for_each(|item| fields(item, &format!("{path}[]"), found));
        }
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        Value::Null => panic!("{path} is missing"),
    };
    found.insert(path.to_owned(), kind);
}

// Catches a field that is written and not documented, one that is documented and not written, and
// one that is of another type.
#[test]
fn the_readme_describes_every_field_of_the_json() {
    let json = serde_json::to_value(whole()).expect("JSON");
    let mut found = BTreeMap::new();
    fields(&json, "", &mut found);
    let section = README.split_once("<!-- schema").expect("a section").1;
    let section = section.split_once("<!-- end of schema").expect("its end").0;
    let mut described = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.trim_matches('|').split(" | ");
        let mut cell = || cells.next().expect("three cells").trim();
        described.insert(cell().trim_matches('`').to_owned(), cell().to_owned());
    }
    let names = |fields: Vec<&String>| fields.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(names(found.keys().collect()), names(described.keys().collect()));
    for (path, kind) in found {
        assert!(described[&path].split(' ').any(|word| word == kind), "{path} is a {kind}");
    }
    assert!(section.contains(&format!("`{SCHEMA}`")));
}

// Catches a preset, a contender or a name in the JSON that the README does not know.
#[test]
fn the_readme_knows_every_preset_and_every_contender() {
    for (name, what) in presets::NAMES {
        let (what, time) = what.rsplit_once("; ").expect("a time");
        assert!(README.contains(&format!("| `{name}` | {what} | {time} |")), "{name}");
    }
    let foreign = [Group::Peer, Group::Threads];
    for contender in contenders::ALL.iter().filter(|it| !foreign.contains(&it.nature.group)) {
        assert!(README.contains(&format!("`{}`", contender.name)), "{}", contender.name);
    }
    let waits = [Wait::Spin, Wait::Adaptive, Wait::Block].map(|wait| json(&wait));
    let flows = [Flow::PingPong, Flow::Throughput, Flow::InPlace].map(|flow| json(&flow));
    let groups = [Group::Limit, Group::Plain, Group::Ring, Group::Kernel, Group::Peer];
    let groups = groups.map(|group| json(&group));
    let units = [Unit::Ns, Unit::GbPerS].map(|unit| json(&unit));
    for name in [&waits[..], &flows, &groups, &units].concat() {
        assert!(README.contains(&format!("`{name}`")), "{name}");
    }
}

/// The name of a value in JSON.
fn json(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("JSON");
    value.as_str().expect("a name").to_owned()
}
