//! Measures the interpreter against executions that were recorded from Step Functions.
//!
//! The recordings are not part of the project; without them the test says so and measures nothing.
//! The floors below are what was reached: a change may raise them, never lower them.

mod compare;
mod world;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use world::Outcome;

/// How many recorded executions of each category come out exactly as recorded, at least.
const FLOORS: [(&str, usize); 22] = [
    ("activities", 3),
    ("arguments", 2),
    ("assign", 19),
    ("base", 22),
    ("callback", 14),
    ("choice_operators", 293),
    ("comments", 1),
    ("context_object", 3),
    ("credentials", 3),
    ("error_handling", 25),
    ("evaluate_jsonata", 5),
    ("express", 3),
    ("intrinsic_functions", 102),
    ("local_mocking", 6),
    ("logs", 1),
    ("outputdecl", 11),
    ("query_language", 7),
    ("scenarios", 66),
    ("services", 37),
    ("states_variables", 5),
    ("test_sfn_api", 1),
    ("timeouts", 2),
];

#[derive(Default)]
struct Tally {
    passed: usize,
    skipped: usize,
    missed: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "the recordings are files")]
#[test]
fn recorded_executions_come_out_as_they_were_recorded() {
    let path = Path::new("../../../shared/vectors/asl.jsonl");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("SKIPPED: no recorded executions at {}", path.display());
        return;
    };
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let vector: Value = serde_json::from_str(line).expect("a vector is JSON");
        if vector["kind"] == "execution" {
            let category = vector["category"].as_str().unwrap_or_default().to_owned();
            judge(tallies.entry(category).or_default(), &vector);
        }
    }
    let mut below = Vec::new();
    for (category, tally) in &tallies {
        let of = tally.passed + tally.missed.len();
        eprintln!("{category}: {} of {of}, {} skipped", tally.passed, tally.skipped);
        for miss in &tally.missed {
            eprintln!("    {miss}");
        }
        let floor = FLOORS.iter().find(|(name, _)| name == category);
        if let Some((_, floor)) = floor.filter(|(_, floor)| tally.passed < *floor) {
            below.push(format!("{category}: {} is below {floor}", tally.passed));
        }
    }
    assert!(below.is_empty(), "{below:?}");
}

fn judge(tally: &mut Tally, vector: &Value) {
    let name = vector["name"].as_str().unwrap_or_default();
    match world::play(vector) {
        Outcome::Underivable => tally.skipped += 1,
        Outcome::Difference(difference) => tally.missed.push(format!("{name}: {difference}")),
        Outcome::Ended(run) => match compare::difference(&vector["expected"], &run) {
            None => tally.passed += 1,
            Some(difference) => tally.missed.push(format!("{name}: {difference}")),
        },
    }
}
