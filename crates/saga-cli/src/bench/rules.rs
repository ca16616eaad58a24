//! Matching: how the cost of an event grows with the number of rules on distinct values.

use anyhow::{Result, ensure};
use events::{Pattern, RuleSet};
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many rules there are in either set.
const FEW: usize = 10;
const MANY: usize = 1_000;
/// How many matches are made between two looks at the clock.
const BATCH: u32 = 256;

/// By what the rules differ: the conditions of the n-th rule, and a detail that only it takes.
type Kind = (&'static str, fn(usize) -> Value, fn(usize) -> Value);

const KINDS: [Kind; 5] = [
    ("text", |n| json!({"sku": [format!("P-{n}")]}), |n| json!({"sku": format!("P-{n}")})),
    ("number", |n| json!({"total": [n]}), |n| json!({"total": n})),
    (
        "prefix",
        |n| json!({"sku": [{"prefix": format!("P-{n:04}/")}]}),
        |n| json!({"sku": format!("P-{n:04}/blue")}),
    ),
    (
        "suffix",
        |n| json!({"sku": [{"suffix": format!("/{n:04}")}]}),
        |n| json!({"sku": format!("blue/{n:04}")}),
    ),
    (
        "field",
        |n| json!({format!("of-{n}"): [{"prefix": "P"}]}),
        |n| json!({format!("of-{n}"): "P-1"}),
    ),
];

/// Measures every kind for this long; answers a line of JSON each.
pub(crate) fn run(duration: Duration) -> Result<Vec<String>> {
    KINDS.iter().map(|kind| measure(kind, duration / 10)).collect()
}

fn measure(kind: &Kind, duration: Duration) -> Result<String> {
    let (few, many) = (nanoseconds(kind, FEW, duration)?, nanoseconds(kind, MANY, duration)?);
    let figures = json!({
        "bench": "rules",
        "differ_by": kind.0,
        "ns_with_10": super::round(few),
        "ns_with_1000": super::round(many),
        "ratio": super::round(many / few),
    });
    Ok(figures.to_string())
}

/// The time that one event takes among so many rules.
fn nanoseconds((_, conditions, detail): &Kind, rules: usize, duration: Duration) -> Result<f64> {
    let pattern = |n| {
        let pattern = json!({
            "source": ["shop"], "detail-type": ["Sold"], "detail": conditions(n),
        });
        Pattern::parse(&pattern.to_string())
    };
    let patterns: Vec<Pattern> = (0..rules).filter_map(|n| pattern(n).ok()).collect();
    ensure!(patterns.len() == rules, "a pattern of the bench is wrong");
    let set = RuleSet::new(patterns.iter().map(|pattern| (String::new(), pattern)));
    let event = json!({
        "version": "0",
        "id": "018f2b6a-5d3c-7e4f-8a9b-0c1d2e3f4a5b",
        "detail-type": "Sold",
        "source": "shop",
        "account": "000000000000",
        "time": "2026-11-23T06:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": detail(rules / 2),
    });
    ensure!(set.matches(&event).len() == 1, "one rule of the bench matches");
    let (began, mut matches) = (Instant::now(), 0_u32);
    while began.elapsed() < duration {
        for _ in 0..BATCH {
            black_box(set.matches(black_box(&event)));
        }
        matches = matches.saturating_add(BATCH);
    }
    Ok(began.elapsed().as_secs_f64() * 1e9 / f64::from(matches))
}
