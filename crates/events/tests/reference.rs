//! The matcher against the plainest reading of the documentation, on generated patterns and events.
//!
//! Arrays hold plain values only here: of arrays of objects, `plan`'s own tests have a reference.

use events::{Pattern, RuleSet};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Whether an event fulfils a pattern.
fn fulfils(pattern: &Value, event: &Value) -> bool {
    let fields = pattern.as_object().expect("a pattern is an object");
    fields.iter().all(|(key, wanted)| match wanted {
        Value::Array(arms) if key == "$or" => arms.iter().any(|arm| fulfils(arm, event)),
        Value::Array(conditions) => has_one(conditions, event.get(key)),
        nested => fulfils(nested, event.get(key).unwrap_or(&Value::Null)),
    })
}

/// Whether a field's value, or one of its values, fulfils one of the conditions.
fn has_one(conditions: &[Value], field: Option<&Value>) -> bool {
    let values: Vec<&Value> = match field {
        None | Some(Value::Object(_)) => Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(value) => vec![value],
    };
    let is_absent = values.is_empty();
    conditions.iter().any(|condition| {
        (is_absent && *condition == json!({"exists": false}))
            || values.iter().any(|value| holds(condition, value))
    })
}

fn holds(condition: &Value, value: &Value) -> bool {
    let Some((operator, operand)) = condition.as_object().and_then(|one| one.iter().next()) else {
        return equals(condition, value);
    };
    let text = value.as_str();
    let with = |test: fn(&str, &str) -> bool| {
        let operands = match operand {
            Value::Array(operands) => operands.clone(),
            one => vec![one.clone()],
        };
        operands
            .iter()
            .filter_map(Value::as_str)
            .any(|one| text.is_some_and(|text| test(text, one)))
    };
    match operator.as_str() {
        "exists" => operand.as_bool() == Some(true),
        "numeric" => value.as_f64().is_some_and(|number| in_range(operand, number)),
        "anything-but" => !excluded(operand, value),
        "equals-ignore-case" => with(|text, one| text.to_lowercase() == one.to_lowercase()),
        "wildcard" => with(fits),
        "prefix" | "suffix" if operand.is_object() => {
            let one = operand["equals-ignore-case"].as_str().unwrap_or_default().to_lowercase();
            let text = text.map(str::to_lowercase);
            text.is_some_and(|text| match operator.as_str() {
                "prefix" => text.starts_with(&one),
                _ => text.ends_with(&one),
            })
        }
        "prefix" => with(|text, one| text.starts_with(one)),
        "suffix" => with(|text, one| text.ends_with(one)),
        other => panic!("the generator knows no {other}"),
    }
}

fn equals(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        (_, _) => a == b,
    }
}

fn excluded(operand: &Value, value: &Value) -> bool {
    match operand {
        Value::Array(operands) => operands.iter().any(|one| equals(one, value)),
        Value::Object(_) => holds(operand, value),
        one => equals(one, value),
    }
}

fn in_range(operand: &Value, number: f64) -> bool {
    let terms = operand.as_array().expect("a range is an array");
    terms.chunks(2).all(|term| {
        let bound = term[1].as_f64().expect("a bound is a number");
        match term[0].as_str() {
            Some("=") => number == bound,
            Some("<") => number < bound,
            Some("<=") => number <= bound,
            Some(">") => number > bound,
            _ => number >= bound,
        }
    })
}

/// Whether a text fits a wildcard.
fn fits(text: &str, wildcard: &str) -> bool {
    match (wildcard.chars().next(), text.chars().next()) {
        (None, first) => first.is_none(),
        (Some('*'), None) => fits(text, &wildcard[1..]),
        (Some('*'), Some(first)) => {
            fits(text, &wildcard[1..]) || fits(&text[first.len_utf8()..], wildcard)
        }
        (Some(want), Some(have)) => {
            want == have && fits(&text[have.len_utf8()..], &wildcard[want.len_utf8()..])
        }
        (Some(_), None) => false,
    }
}

fn words() -> impl Strategy<Value = String> {
    "[abA]{0,3}"
}

fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => words().prop_map(Value::from),
        2 => (-2_i64..3).prop_map(Value::from),
        1 => (-2_i64..3).prop_map(|n| json!(n as f64 + 0.5)),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

fn conditions() -> impl Strategy<Value = Value> {
    let some = || "[abA]{1,2}";
    let one = prop_oneof![
        4 => scalars(),
        1 => any::<bool>().prop_map(|is| json!({"exists": is})),
        1 => words().prop_map(|text| json!({"prefix": text})),
        1 => words().prop_map(|text| json!({"suffix": text})),
        1 => words().prop_map(|text| json!({"prefix": {"equals-ignore-case": text}})),
        1 => words().prop_map(|text| json!({"suffix": {"equals-ignore-case": text}})),
        1 => words().prop_map(|text| json!({"equals-ignore-case": text})),
        1 => "[ab]?\\*[ab]?".prop_map(|text| json!({"wildcard": text})),
        1 => words().prop_map(|text| json!({"anything-but": text})),
        1 => (-2_i64..3).prop_map(|n| json!({"anything-but": [n, n + 1]})),
        1 => some().prop_map(|text| json!({"anything-but": {"prefix": text}})),
        1 => (some(), some()).prop_map(|(a, b)| json!({"anything-but": {"suffix": [a, b]}})),
        1 => words().prop_map(|text| json!({"anything-but": {"equals-ignore-case": text}})),
        1 => "[ab]?\\*[ab]?".prop_map(|text| json!({"anything-but": {"wildcard": text}})),
        1 => (-2_i64..3).prop_map(|n| json!({"numeric": ["=", n]})),
        1 => (-2_i64..3, 1_i64..3).prop_map(|(n, more)| json!({"numeric": [">", n, "<=", n + more]})),
        1 => (-2_i64..3).prop_map(|n| json!({"numeric": [">=", n]})),
    ];
    proptest::collection::vec(one, 1..3).prop_map(Value::from)
}

fn patterns() -> impl Strategy<Value = Value> {
    let flat = proptest::collection::btree_map("[abc]", conditions(), 1..3);
    let flat = flat.prop_map(|fields| json!(fields)).boxed();
    let nested = (flat.clone(), flat.clone()).prop_map(|(mut outer, inner)| {
        outer["d"] = inner;
        outer
    });
    // A field that is named twice means its later conditions, so the arms have fields of their own.
    let arm = proptest::collection::btree_map("[ef]", conditions(), 1..3);
    let arm = arm.prop_map(|fields| json!(fields)).boxed();
    let either = (flat.clone(), arm.clone(), arm).prop_map(|(mut all, one, other)| {
        all["$or"] = json!([one, other]);
        all
    });
    prop_oneof![flat, nested, either]
}

fn events() -> impl Strategy<Value = Value> {
    let field = prop_oneof![
        3 => scalars(),
        1 => proptest::collection::vec(scalars(), 0..3).prop_map(Value::from),
    ];
    let flat = proptest::collection::btree_map("[abcef]", field, 0..6);
    let flat = flat.prop_map(|fields| json!(fields)).boxed();
    (flat.clone(), proptest::option::of(flat)).prop_map(|(mut event, inner)| {
        if let Some(inner) = inner {
            event["d"] = inner;
        }
        event
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn the_matcher_reads_patterns_as_they_are_documented(
        patterns in proptest::collection::vec(patterns(), 1..4),
        event in events(),
    ) {
        let read = |pattern: &Value| Pattern::parse(&pattern.to_string());
        let parsed: Vec<Pattern> =
            patterns.iter().map(read).collect::<Result<_, _>>().expect("they are valid");
        let expected: Vec<usize> =
            (0..patterns.len()).filter(|at| fulfils(&patterns[*at], &event)).collect();
        let alone: Vec<usize> =
            (0..patterns.len()).filter(|at| parsed[*at].matches(&event)).collect();
        prop_assert_eq!(&alone, &expected, "{:?} against {}", patterns, event);
        let set = RuleSet::new(parsed.iter().map(|pattern| (String::new(), pattern)));
        let together: Vec<usize> = set.matches(&event).into_iter().map(|rule| rule.0).collect();
        prop_assert_eq!(together, expected);
    }
}
