//! Expressions of both languages: arbitrary texts, compiled and asked.

use crate::texts::{document, expression};
use crate::{cases, soon};
use asl::expression::{JsonataTemplate, Path, PayloadTemplate, ReferencePath, Scope, Selector};
use contracts::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Asks everything that can be made of a text, over an input.
fn ask(text: &str, input: &Value) {
    let mut variables = Map::new();
    variables.insert("a".to_owned(), input.clone());
    let context = json!({"Execution": {"Id": "e"}, "Map": {"Item": {"Index": 1}}});
    let scope = Scope {
        input,
        context: &context,
        result: Some(input),
        error_output: None,
        variables: &variables,
        at: Timestamp::from_millis(1_795_413_600_000),
        seed: 7,
    };
    let paths = (Path::compile(text), Selector::compile(text), ReferencePath::compile(text));
    if let Ok(path) = &paths.0 {
        let _found = path.evaluate(&scope);
    }
    if let Ok(selector) = &paths.1 {
        let _found = selector.evaluate(&scope);
    }
    if let Ok(path) = &paths.2 {
        let _placed = path.insert(input.clone(), json!(1));
    }
    if let Ok(template) = PayloadTemplate::compile(&json!({"a.$": text, "b": [{"c.$": text}]})) {
        let _filled = template.evaluate(&scope);
    }
    if let Ok(template) = JsonataTemplate::compile(&json!({"a": format!("{{% {text} %}}")})) {
        let _answer = template.evaluate(&scope);
    }
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn any_expression_is_answered_or_refused(text in expression(), input in document()) {
        soon(&text, || ask(&text, &input));
    }

    #[test]
    fn any_template_is_filled_or_refused(template in document(), input in document()) {
        soon(&template.to_string(), || {
            let scope = Scope {
                input: &input,
                context: &input,
                result: None,
                error_output: None,
                variables: &(),
                at: Timestamp::from_millis(0),
                seed: 7,
            };
            if let Ok(template) = PayloadTemplate::compile(&template) {
                let _filled = template.evaluate(&scope);
            }
            if let Ok(template) = JsonataTemplate::compile(&template) {
                let _answer = template.evaluate(&scope);
            }
        });
    }
}

/// What would take for ever, or all memory, if nothing bounded it.
const RUNAWAYS: [&str; 26] = [
    "$reduce([1..200000], function($a, $b){ [$a, 1] }, 1)",
    "$string($reduce([1..200000], function($a, $b){ [$a, 1] }, 1))",
    "$reduce([1..200000], function($a, $b){ {'a': $a} }, 1) & ''",
    "($x := $reduce([1..200000], function($a, $b){ {'a': $a} }, 1); $x = $x)",
    "[1..100000].([1..100000])",
    "[1..1000].([1..1000].([1..1000]))",
    "$states.input.b.$states.input.b.$states.input.b.$states.input.b",
    "$states.input.b.($states.input.b.($states.input.b.($states.input.b)))",
    "($x := [1..5000].{'b': $states.input.b}; $x.$$.$x.b)",
    "$string([1..200000].{'b': $states.input})",
    "($s := $string($states.input); $t := $s&$s&$s&$s; $u := $t&$t&$t&$t; $v := $u&$u&$u&$u;\
     $w := $v&$v&$v&$v; $x := $w&$w&$w&$w; $y := $x&$x&$x&$x; $z := $y&$y&$y&$y; $z&$z&$z&$z)",
    "($s := $string($states.input); $replace($s, /./, $s))",
    "($s := $string($states.input); $replace($s, '1', $s & $s & $s & $s & $s & $s & $s & $s))",
    "($f := function($x){ $f($x + 1) }; $f(1))",
    "($f := function($x){ 1 + $f($x + 1) }; $f(1))",
    "[1..10000000]",
    "$map([1..100000], function($i){ $map([1..100000], function($j){ $i * $j }) })",
    "$reduce([1..50], function($a, $b){ $a & $a }, 'aaaaaaaaaaaaaaaa')",
    "$pad('a', 1000000000)",
    "$join($map([1..200000], function($i){ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }))",
    "$replace('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', /(a+)+$/, 'b')",
    "$match('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', /(a|a)*b/)",
    "$power(9, 999999)",
    "$string(1e308 * 10)",
    "States.ArrayRange(0, 999999999, 1)",
    "$..*..*..*..*..*..*..*..*",
];

#[test]
fn an_expression_that_would_run_away_is_stopped() {
    let many: Vec<Value> = (0..4_000).map(|at| json!({"b": [at, {"c": at}]})).collect();
    let input = json!({"a": many[..200], "b": many});
    for runaway in RUNAWAYS {
        soon(runaway, || ask(runaway, &input));
    }
}
