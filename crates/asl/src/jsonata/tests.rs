//! What a JSONata template answers, refuses and uses.

use super::expression::Expression;
use super::*;
use crate::expression::Chance;
use contracts::time::Timestamp;
use proptest::prelude::*;
use serde_json::json;

/// A state's surroundings, small enough to see.
struct World {
    input: Value,
    result: Value,
    variables: Map<String, Value>,
}

impl World {
    fn new() -> Self {
        let variables = json!({
            "order": {"id": "o-1", "total": 1250, "lines": [{"sku": "a", "qty": 2}]},
            "empty": [],
            "one": [7],
        });
        Self {
            input: json!({"name": "Ada", "n": 3, "half": 0.5, "whole": 2.0, "ok": true,
                "items": [1, 2, 3], "single": [{"a": 1}], "nothing": null}),
            result: json!({"Payload": {"x": 9_007_199_254_740_993_i64}}),
            variables: variables.as_object().cloned().unwrap_or_default(),
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            input: &self.input,
            context: &Value::Null,
            result: Some(&self.result),
            error_output: None,
            variables: &self.variables,
            at: Timestamp::from_millis(1_700_000_000_123),
            seed: 42,
        }
    }
}

fn evaluate(template: Value) -> Result<Value, Failure> {
    let template = JsonataTemplate::compile(&template).expect("the template compiles");
    template.evaluate_for("Output", &World::new().scope())
}

#[track_caller]
fn check(template: Value, expected: Value) {
    assert_eq!(evaluate(template), Ok(expected));
}

#[track_caller]
fn check_cause(template: Value, expected: &str) {
    let failure = evaluate(template).expect_err("the template fails");
    assert_eq!(failure.error, "States.QueryEvaluationError");
    assert_eq!(failure.cause, expected);
}

#[track_caller]
fn check_problem(source: &str, expected: &str) {
    let template = json!({"a/b": [format!("{{% {source} %}}")]});
    let problems = JsonataTemplate::compile(&template).expect_err("the template is refused");
    assert_eq!(problems[0].pointer, "/a~1b/0");
    let message = &problems[0].message;
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_path_answers_what_is_there() {
    check(json!("{% $states.input.name %}"), json!("Ada"));
    check(json!("{% $order.lines.sku %}"), json!("a"));
    check(json!("{% $order.lines[0].qty %}"), json!(2));
    check(json!("{% $states.input.items %}"), json!([1, 2, 3]));
    check(json!("{% $states.input.nothing %}"), json!(null));
    check(json!("{% $empty %}"), json!([]));
    check(json!("{% $one %}"), json!([7]));
    check(json!("{% $states.input.single.a %}"), json!(1));
}

#[test]
fn a_template_computes_only_its_expressions() {
    check(
        json!({"a": " {% x %} ", "b": "$.c", "d.$": "$", "e": ["{% 1 + 1 %}", null, "{%x"]}),
        json!({"a": " {% x %} ", "b": "$.c", "d.$": "$", "e": [2, null, "{%x"]}),
    );
}

#[test]
fn a_whole_number_has_no_fraction() {
    check(json!("{% $states.input.whole %}"), json!(2));
    check(json!("{% $states.input.half * 4 %}"), json!(2));
    check(json!("{% $sum([0.5, 0.5]) %}"), json!(1));
    check(json!("{% {'a': [1.0, 2.5]} %}"), json!({"a": [1, 2.5]}));
}

#[test]
fn a_long_number_that_passes_through_keeps_its_digits() {
    check(
        json!("{% {'id': $states.result.Payload.x} %}"),
        json!({"id": 9_007_199_254_740_993_i64}),
    );
}

#[test]
fn all_of_states_holds_what_the_state_offers() {
    let world = World::new();
    let states = evaluate(json!("{% $states %}")).expect("the template answers");
    assert_eq!(states["input"]["name"], json!("Ada"));
    assert_eq!(states["context"], Value::Null);
    assert_eq!(states.get("errorOutput"), None);
    assert_eq!(states["input"]["items"], world.input["items"]);
}

#[test]
fn nothing_is_a_failure_that_names_expression_and_field() {
    check_cause(
        json!({"result": "{% $doesNotExist %}"}),
        "The JSONata expression '$doesNotExist' specified for the field 'Output/result' \
         returned nothing (undefined).",
    );
    check_cause(
        json!({"a": [1, "{%$states.input.missing.far%}"]}),
        "The JSONata expression '$states.input.missing.far' specified for the field \
         'Output/a[1]' returned nothing (undefined).",
    );
}

#[test]
fn an_error_is_a_failure_with_its_code() {
    check_cause(
        json!("{% $states.input.name + 1 %}"),
        "The JSONata expression '$states.input.name + 1' specified for the field 'Output' \
         threw an error during evaluation. T2001: The left side of the + operator must \
         evaluate to a number",
    );
    check_cause(
        json!("{% function($x) { $x } %}"),
        "The JSONata expression 'function($x) { $x }' specified for the field 'Output' \
         threw an error during evaluation. The result holds a function, which is no JSON value.",
    );
}

#[test]
fn everyday_expressions_need_no_crate() {
    let world = World::new();
    for source in [
        "$states.input.name",
        "$order.lines",
        "'Hi ' & $states.input.name & ', ' & $states.input.n",
        "{'id': $order.id, 'paid': $order.total >= 1000, 'tags': [$states.input.items, 'x']}",
        "$states.input.ok and $not($states.input.n = 4) ? $order.total * 2 : -1",
        "$exists($states.errorOutput)",
    ] {
        let expression = Expression::compile(source).expect("the source compiles");
        assert!(expression.natively(&world.scope()).is_ok(), "{source}");
    }
}

#[test]
fn the_functions_of_step_functions_are_there() {
    check(json!("{% $partition([1,2,3], 2) %}"), json!([[1, 2], [3]]));
    check(json!("{% $partition([0], 1) %}"), json!([[0]]));
    check(json!("{% $range(0, 10, 5) %}"), json!([0, 5, 10]));
    check(json!("{% $range(1, 9, 9) %}"), json!(1));
    check(json!("{% $parse('{\"a\":[1.0]}').a %}"), json!([1]));
    check(json!("{% $hash('input data', 'MD5') %}"), json!("812f45842bc6d66ee14572ce20db8e86"));
    check(json!("{% $length($uuid()) %}"), json!(36));
    check(json!("{% $random(7) = $random(7) %}"), json!(true));
    check(json!("{% $random() < 1 and $random() != $random() %}"), json!(true));
}

#[test]
fn the_clock_is_the_one_of_the_scope() {
    check(json!("{% $millis() %}"), json!(1_700_000_000_123_i64));
    check(json!("{% $now() %}"), json!("2023-11-14T22:13:20.123Z"));
    check(json!("{% $now('[Y]-[M01]') %}"), json!("2023-11"));
    check(json!("{% $toMillis('2016-03-14T01:59:00Z') %}"), json!(1_457_920_740_000_i64));
}

#[test]
fn the_same_scope_gives_the_same_chance_and_another_field_another() {
    let template = json!(["{% $uuid() %}", "{% $uuid() & $random() %}", "{% $shuffle([1..9]) %}"]);
    let template = JsonataTemplate::compile(&template).expect("the template compiles");
    let world = World::new();
    let ask = |field| template.evaluate_for(field, &world.scope());
    assert_eq!(ask("Output"), ask("Output"));
    assert_ne!(ask("Output"), ask("Assign"));
    let values = ask("Output").expect("the template answers");
    assert_ne!(values[0], values[1]);
}

#[test]
fn an_expression_that_never_ends_is_stopped() {
    for source in [
        "($f := function($n) { $f($n + 1) }; $f(0))",
        "($f := function($n) { $n < 2 ? 1 : $f($n - 1) + $f($n - 2) }; $f(60))",
        "$reduce([1..40], function($a, $b) { $a & $a }, 'xxxxxxxx')",
        "$reduce([1..40], function($a, $b) { $append($a, $a) }, [1, 2])",
        "($f := function($t, $n) { $n = 0 ? $t : $f($t & $t, $n - 1) }; $f('xxxxxxxx', 60))",
        "$pad('x', 1e12)",
        "'x' ~> $pad(-1e12)",
        "[1..1e9]",
        "$reduce([1..200], function($a, $b) { [[$a]] }, 1)",
    ] {
        let answer = evaluate(json!(format!("{{% {source} %}}")));
        assert!(answer.is_err(), "{source} answered");
    }
}

#[test]
fn functions_still_recurse_and_close_over_what_they_see() {
    check(
        json!("{% ($f := function($n) { $n = 0 ? 0 : $n + $f($n - 1) }; $f(100)) %}"),
        json!(5050),
    );
    check(json!("{% $map([1, 2], function($v, $i) { $v * 10 + $i }) %}"), json!([10, 21]));
    check(json!("{% $map([1], function($v) { [$v] }) %}"), json!([1]));
    check(json!("{% $sort([3, 1, 2], function($l, $r) { $l > $r }) %}"), json!([1, 2, 3]));
    check(json!("{% $pad('7', -3, '0') %}"), json!("007"));
}

#[test]
fn what_cannot_work_is_found_before_it_runs() {
    check_problem("$eval('1')", "`$eval` is not allowed");
    check_problem("$zork(1)", "there is no function `$zork`");
    check_problem("1 +", "is not a JSONata expression");
    check_problem("", "is not a JSONata expression");
    let fine = json!("{% ($g := function($h) { $h(1) }; $g($string)) %}");
    assert!(JsonataTemplate::compile(&fine).is_ok());
}

#[test]
fn a_template_says_what_it_uses() {
    let template = json!({
        "a": "{% $states.result.x %}",
        "b": "{% ($t := $order.total; $map($states.input.items, function($i) { $i + $t })) %}",
        "c": "{% $vat %}",
    });
    let uses = JsonataTemplate::compile(&template).expect("the template compiles").uses();
    assert!(uses.result && !uses.error_output);
    assert_eq!(uses.variables, ["order", "vat"]);
    let all = JsonataTemplate::compile(&json!("{% $states %}")).expect("it compiles");
    assert_eq!(all.uses(), Uses::default());
}

#[test]
fn only_what_is_reached_is_converted_and_nothing_is_missed() {
    check(json!("{% $order{sku: lines[0].sku} %}"), json!({}));
    check(json!("{% $order.lines{sku: qty} %}"), json!({"a": 2}));
    check(json!("{% $order.lines.(sku & $string(%.id)) %}"), json!("ao-1"));
    check(json!("{% $keys($order) %}"), json!(["id", "total", "lines"]));
    check(json!("{% $order.*[0] %}"), json!("o-1"));
    check(
        json!("{% $order ~> |lines|{'qty': 3}| %}"),
        json!({"id": "o-1", "total": 1250, "lines": [{"sku": "a", "qty": 3}]}),
    );
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..5).prop_map(Value::from),
        prop_oneof![Just(0.5), Just(-0.0), Just(2.0), Just(1e300)].prop_map(Value::from),
        "[abé]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn everyday_source() -> impl Strategy<Value = String> {
    let root = prop_oneof![
        Just("$states.input"),
        Just("$states.result"),
        Just("$states.errorOutput"),
        Just("$x"),
        Just("$missing"),
    ];
    let path = (root, prop::collection::vec("[abc]", 0..3)).prop_map(|(root, names)| {
        names.iter().fold(root.to_owned(), |path, name| format!("{path}.{name}"))
    });
    let literal = prop_oneof![
        Just("1".to_owned()),
        Just("2.5".to_owned()),
        Just("'a'".to_owned()),
        Just("true".to_owned()),
        Just("null".to_owned()),
    ];
    let operator = prop::sample::select(vec![
        "&", "=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "and", "or",
    ]);
    prop_oneof![4 => path, 1 => literal].prop_recursive(3, 16, 3, move |inner| {
        prop_oneof![
            3 => (inner.clone(), operator.clone(), inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            1 => (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("{{'a': {a}, 'b': {b}}}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            1 => (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            1 => inner.clone().prop_map(|a| format!("$not({a})")),
            1 => inner.clone().prop_map(|a| format!("$exists({a})")),
            1 => inner.prop_map(|a| format!("-({a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_fast_path_answers_as_the_crate_does(
        source in everyday_source(),
        input in json_value(),
        result in json_value(),
        x in json_value(),
    ) {
        let variables = Map::from_iter([("x".to_owned(), x)]);
        let scope = Scope {
            input: &input,
            context: &Value::Null,
            result: Some(&result),
            error_output: None,
            variables: &variables,
            at: Timestamp::EPOCH,
            seed: 0,
        };
        let expression = Expression::compile(&source).expect("the source compiles");
        if let Ok(answer) = expression.natively(&scope) {
            let crates = expression.by_the_crate(&scope, Chance::new(0, 0));
            prop_assert_eq!(crates, Ok(answer), "{}", source);
        }
    }

    #[test]
    fn any_text_compiles_or_is_refused(source in ".{0,40}") {
        let template = Value::String(format!("{{%{source}%}}"));
        if let Ok(template) = JsonataTemplate::compile(&template) {
            let first = template.evaluate(&World::new().scope());
            prop_assert_eq!(first, template.evaluate(&World::new().scope()));
        }
    }

    #[test]
    fn any_data_is_answered_or_refused(
        source in prop::sample::select(vec![
            "$states.input.**.a", "$states.input.a[b > 1].c", "$sum($states.input.a)",
            "$map($states.input, function($v) { $v.a & 'x' })", "$states.input^(a).b",
            "$merge($states.input)", "$string($states.input)", "$partition($states.input, 2)",
            "$states.input.{'k': a, 'l': [b]}", "$states.input{a: b}", "$keys($states.input)",
            "$states.input.a.%.b", "$distinct($states.input.*)", "$states.input.a ~> $count()",
        ]),
        input in json_value(),
    ) {
        let mut world = World::new();
        world.input = input;
        let template = JsonataTemplate::compile(&Value::String(format!("{{% {source} %}}")));
        let template = template.expect("the source compiles");
        let first = template.evaluate(&world.scope());
        prop_assert_eq!(first, template.evaluate(&world.scope()));
    }
}

/// The checks that are written into a tree change nothing but what runs away.
#[test]
fn counted_ranges_and_paths_answer_as_they_do_uncounted() {
    for (expression, expected) in [
        ("[1..3]", json!([1, 2, 3])),
        ("[0, 1..3, 9]", json!([0, 1, 2, 3, 9])),
        ("[2..1]", json!([])),
        ("[[1..2], 3]", json!([[1, 2], 3])),
        ("[1..3].($ * 2)", json!([2, 4, 6])),
        ("[1..2].[$, $ * 10]", json!([[1, 10], [2, 20]])),
        ("[1..2].[1..$]", json!([[1], [1, 2]])),
        ("[1..2].([1..$])", json!([1, 1, 2])),
        ("[1..2].{'n': $}", json!([{"n": 1}, {"n": 2}])),
        ("($o := [{'p': [1, 2]}, {'p': [3]}]; $o.p.($ + 1))", json!([2, 3, 4])),
        ("($o := [{'p': [[1], [2]]}]; $o.$.p)", json!([[1], [2]])),
        ("($o := {'a': {'b': 7}}; $o.a.$o.a.b)", json!(7)),
        ("($o := [{'a': 1}, {'b': 2}]; $o.($.a)[0])", json!(1)),
        ("($o := [{'a': [1, 2]}]; $o.(a)[0])", json!(1)),
        ("($o := {'a': 1}; $o.(a)[])", json!([1])),
        ("($o := {'a': [5, 6]}; $o.*.($ & '!'))", json!(["5!", "6!"])),
        ("'a' & 1 & [2, {'b': null}]", json!("a1[2,{\"b\":null}]")),
        ("$string({'a': [1]}) & $join(['x', 'y'], '-')", json!("{\"a\":[1]}x-y")),
        ("$replace('aXbX', 'X', '--')", json!("a--b--")),
        ("$replace('aXbX', /X/, function($m) { '<' & $m.match & '>' })", json!("a<X>b<X>")),
    ] {
        check(json!(format!("{{% {expression} %}}")), expected);
    }
}

#[test]
fn a_list_of_ten_thousand_can_be_put_together_item_by_item() {
    check(
        json!(
            "{% $count($reduce([1..10000], function($all, $one) { $append($all, $one) }, [])) %}"
        ),
        json!(10_000),
    );
}
