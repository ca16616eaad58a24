//! What paths, reference paths and payload templates answer and refuse.

use super::*;
use contracts::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, json};
use serde_json_path::JsonPath;

fn order() -> Value {
    json!({
        "id": "o-1",
        "delivery-partner": "UQS",
        "Test\\\"\"Name\"": "quoted",
        "lines": [
            {"sku": "a", "qty": 1, "price": 10, "tags": ["new"]},
            {"sku": "b", "qty": 2, "price": 5.5, "tags": []},
            {"sku": "c", "qty": 3, "price": "7"},
        ],
        "none": null,
        "limits": {"qty": 2},
    })
}

fn variables() -> Map<String, Value> {
    Map::from_iter([("cart".to_owned(), json!({"total": 3}))])
}

fn with_scope<T>(input: &Value, ask: impl FnOnce(&Scope<'_>) -> T) -> T {
    let context = json!({"Execution": {"Id": "arn"}, "Map": {"Item": {"Index": 0}}});
    let variables = variables();
    ask(&Scope {
        input,
        context: &context,
        result: None,
        error_output: None,
        variables: &variables,
        at: Timestamp::EPOCH,
        seed: 1,
    })
}

#[track_caller]
fn check(path: &str, expected: Value) {
    let path = Path::compile(path).expect("the path compiles");
    let answer = with_scope(&order(), |scope| path.evaluate(scope));
    assert_eq!(answer, Ok(expected), "{}", path.text());
}

#[track_caller]
fn check_cause(path: &str, expected: &str) {
    let path = Path::compile(path).expect("the path compiles");
    let failure = with_scope(&order(), |scope| path.evaluate(scope)).expect_err("the path fails");
    assert_eq!(failure.error, "States.Runtime");
    assert_eq!(failure.cause, expected);
}

#[track_caller]
fn check_problem(path: &str, expected: &str) {
    let problem = Path::compile(path).expect_err("the path is refused");
    assert!(problem.message.contains(expected), "{}", problem.message);
}

#[test]
fn a_definite_path_answers_the_value_itself() {
    check("$", order());
    check("$.id", json!("o-1"));
    check("$['id']", json!("o-1"));
    check("$.delivery-partner", json!("UQS"));
    check(r#"$['Test\""Name"']"#, json!("quoted"));
    check("$.lines[0].sku", json!("a"));
    check("$.lines[-1].sku", json!("c"));
    check("$['lines'][1]['qty']", json!(2));
    check("$.none", json!(null));
    check("$.lines.length()", json!(3));
    check("$.limits['qty','none']", json!({"qty": 2}));
}

#[test]
fn a_path_may_start_in_the_context_or_a_variable() {
    check("$$.Execution.Id", json!("arn"));
    check("$$.Map.Item.Index", json!(0));
    check("$cart.total", json!(3));
    check("$cart", json!({"total": 3}));
    check_cause("$gone.x", "The variable '$gone' in the path '$gone.x' is not defined.");
}

#[test]
fn a_path_that_could_find_many_answers_an_array() {
    check("$.lines[*].sku", json!(["a", "b", "c"]));
    check("$.lines[1:].sku", json!(["b", "c"]));
    check("$.lines[:1].sku", json!(["a"]));
    check("$.lines[-2:].sku", json!(["b", "c"]));
    check("$.lines[0,2].sku", json!(["a", "c"]));
    check("$..qty", json!([1, 2, 3, 2]));
    check(
        "$.lines[*]['sku','qty']",
        json!([
        {"sku": "a", "qty": 1}, {"sku": "b", "qty": 2}, {"sku": "c", "qty": 3}]),
    );
    check("$.lines[7:9]", json!([]));
    check("$.lines[?(@.qty > 9)]", json!([]));
    check("$.limits.*", json!([2]));
}

#[test]
fn a_path_that_could_find_many_does_not_mind_a_missing_member() {
    check("$.item.items[*]", json!([]));
    check("$.item.items[1:5]", json!([]));
    check("$.items[1:].itemValue", json!([]));
}

#[test]
fn a_filter_keeps_the_items_it_holds_for() {
    let skus =
        |filter: &str, expected: Value| check(&format!("$.lines[?({filter})].sku"), expected);
    skus("@.qty == 2", json!(["b"]));
    skus("@.qty >= 2 && @.price < 6", json!(["b"]));
    skus("@.qty == 1 || @.sku == 'c'", json!(["a", "c"]));
    skus("!(@.qty == 1)", json!(["b", "c"]));
    skus("!@.tags", json!(["c"]));
    skus("@.tags", json!(["a", "b"]));
    skus("@.qty == $.limits.qty", json!(["b"]));
    skus("@.sku =~ /[AB]/i", json!(["a", "b"]));
    skus("@.sku in ['a', \"c\"]", json!(["a", "c"]));
    skus("@.sku nin ['a']", json!(["b", "c"]));
    skus("@.tags size 0", json!(["b"]));
    skus("@.tags empty false", json!(["a"]));
    skus("@.tags contains 'new'", json!(["a"]));
    skus("@.tags anyof ['new', 'old']", json!(["a"]));
    skus("@.tags noneof ['new']", json!(["b", "c"]));
    skus("@.tags subsetof ['new']", json!(["a", "b"]));
    skus("@.price == 7", json!(["c"]));
    skus("@.tags.length() == 1", json!(["a"]));
    skus("@['tags'][?(@ == 'new')]", json!(["a"]));
    check("$.lines[?@.qty==3].sku", json!(["c"]));
    check("$.limits[?(@.qty == 2)].qty", json!([2]));
}

#[test]
fn a_missing_value_is_a_failure_that_says_where() {
    check_cause(
        "$.no.such.result.path",
        "Invalid path '$.no.such.result.path' : Missing property in path $['no']",
    );
    check_cause(
        "$.lines[0].gone",
        "Invalid path '$.lines[0].gone' : No results for path: $['lines'][0]['gone']",
    );
    check_cause("$.lines[9]", "Invalid path '$.lines[9]' : No results for path: $['lines'][9]");
    check_cause(
        "$.id.x",
        "Invalid path '$.id.x' : Expected to find an object with property ['x'] in path $['id'] \
         but found 'string'.",
    );
    check_cause("$.id[0]", "Invalid path '$.id[0]' : Filter: [0] can only be applied to arrays.");
}

#[test]
fn a_null_input_has_nothing_in_it() {
    let path = Path::compile("$.a").expect("the path compiles");
    let failure = with_scope(&Value::Null, |scope| path.evaluate(scope));
    assert_eq!(
        failure.expect_err("the path fails").cause,
        "Unable to apply Path transformation to null or empty input."
    );
}

#[test]
fn a_field_is_named_where_its_path_finds_nothing() {
    let path = Path::compile("$.ErrorX").expect("the path compiles");
    let failure =
        with_scope(&json!({"a": 1}), |scope| path.evaluate_for("ErrorPath", RUNTIME, scope));
    let failure = failure.expect_err("the path fails");
    assert_eq!(
        failure.cause,
        "The JSONPath '$.ErrorX' specified for the field 'ErrorPath' could not be found in the \
         input '{\"a\":1}'"
    );
    assert_eq!(failure.location, "ErrorPath");
}

#[test]
fn what_is_no_path_is_refused_with_its_column() {
    check_problem("", "a path that starts with `$` at column 1");
    check_problem("$.", "a member name at column 3");
    check_problem("$.a[", "found the end");
    check_problem("$.a]", "the end of the path at column 4");
    check_problem("$.a b", "the end of the path at column 4");
    check_problem("$['a", "a closing `'`");
    check_problem("$.a[?(@.b ==)]", "a number, a quoted text or a list");
    check_problem("$.a[?(@.b =~ /(/)]", "a regular expression that compiles");
    check_problem("$.a[::0]", "a slice step of 1 or more");
    check_problem("$.a.sum()", "the path function `sum` is not supported");
    check_problem(&format!("$.a[?({}@.b)]", "(".repeat(40)), "nested deeper");
    check_problem(&format!("${}", "[0]".repeat(300)), "more than 256 steps");
}

#[test]
fn a_result_is_put_where_its_path_points() {
    let insert = |path: &str, root: Value| {
        let path = ReferencePath::compile(path).expect("the path compiles");
        path.insert(root, json!("new"))
    };
    assert_eq!(insert("$", json!(1)), Ok(json!("new")));
    assert_eq!(insert("$.a", json!({})), Ok(json!({"a": "new"})));
    assert_eq!(insert("$.a.b", json!({"c": 1})), Ok(json!({"c": 1, "a": {"b": "new"}})));
    assert_eq!(insert("$.a", json!({"a": 1, "b": 2})), Ok(json!({"a": "new", "b": 2})));
    assert_eq!(insert("$['x y'][1]", json!({"x y": [1, 2]})), Ok(json!({"x y": [1, "new"]})));
    for (path, root) in [
        ("$.a", json!([1])),
        ("$.a", json!(null)),
        ("$.a.b", json!({"a": 1})),
        ("$.a.b", json!({"a": null})),
        ("$[3]", json!([1])),
        ("$.a[0]", json!({})),
    ] {
        let failure = insert(path, root).expect_err("the path does not fit");
        assert_eq!(failure.error, "States.ResultPathMatchFailure");
    }
}

#[test]
fn a_reference_path_names_one_place() {
    for path in ["$.a[*]", "$..a", "$.a[0:1]", "$.a[?(@.b)]", "$['a','b']", "$$.a", "$v.a"] {
        let problem = ReferencePath::compile(path).expect_err("the path is refused");
        assert!(problem.message.contains("not a reference path"), "{path}");
    }
}

#[test]
fn a_payload_template_computes_the_members_that_say_so() {
    let template = json!({
        "id.$": "$.id",
        "constant": ["$.id", {"deep": true}],
        "nested": {"skus.$": "$.lines[*].sku", "text.$": "States.Format('{}', $cart.total)"},
        "list": [{"execution.$": "$$.Execution.Id"}],
    });
    let template = PayloadTemplate::compile(&template).expect("the template compiles");
    let filled = with_scope(&order(), |scope| template.evaluate(scope));
    assert_eq!(
        filled,
        Ok(json!({
            "id": "o-1",
            "constant": ["$.id", {"deep": true}],
            "nested": {"skus": ["a", "b", "c"], "text": "3"},
            "list": [{"execution": "arn"}],
        }))
    );
    assert_eq!(template.variables(), ["cart"]);
    assert_eq!(template.constant(), None);
}

#[test]
fn a_payload_template_reports_all_its_problems() {
    let template = json!({"a.$": 1, "b": [{"c.$": "$.["}], "d.$": "plain", "e.$": "$.fine"});
    let problems = PayloadTemplate::compile(&template).expect_err("the template is refused");
    let pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(pointers, ["/a.$", "/b/0/c.$", "/d.$"]);
}

#[test]
fn two_random_members_of_one_template_differ() {
    let template = json!({"a.$": "States.UUID()", "b.$": "States.UUID()"});
    let template = PayloadTemplate::compile(&template).expect("the template compiles");
    let ask = || with_scope(&Value::Null, |scope| template.evaluate(scope));
    let filled = ask().expect("the template is filled");
    assert_ne!(filled["a"], filled["b"]);
    assert_eq!(ask(), Ok(filled));
}

#[test]
fn a_path_that_looks_at_too_much_is_stopped() {
    let wide = Value::Array((0..2_000).map(|_| json!([0, 1, 2])).collect());
    let input = json!({"a": wide});
    let path = Path::compile("$..*[?(@ in $..*)]").expect("the path compiles");
    let failure = with_scope(&input, |scope| path.evaluate(scope)).expect_err("it is stopped");
    assert!(failure.cause.contains("visits more than"), "{}", failure.cause);
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Paths in the part of the dialect that RFC 9535 reads the same way.
fn common_path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        3 => "[abc]".prop_map(|name| format!(".{name}")),
        1 => "[abc]".prop_map(|name| format!("['{name}']")),
        2 => (-3_i64..3).prop_map(|index| format!("[{index}]")),
        1 => (-3_i64..3, -3_i64..3).prop_map(|(from, to)| format!("[{from}:{to}]")),
        1 => (0_i64..3, 1_i64..3).prop_map(|(from, step)| format!("[{from}::{step}]")),
        1 => Just("[0, 1]".to_owned()),
        1 => Just(".*".to_owned()),
        1 => "[abc]".prop_map(|name| format!("..{name}")),
        1 => Just("..*".to_owned()),
    ];
    prop::collection::vec(segment, 0..4).prop_map(|segments| format!("${}", segments.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_common_dialect_selects_what_rfc_9535_says(path in common_path(), input in document()) {
        let ours = Path::compile(&path).expect("the path compiles");
        let theirs = JsonPath::parse(&path).expect("the path is RFC 9535");
        let expected: Vec<_> = theirs.query(&input).all().into_iter().cloned().collect();
        let found = with_scope(&input, |scope| ours.evaluate(scope));
        if ours.steps.is_definite() {
            prop_assert_eq!(found.ok(), expected.into_iter().next(), "{}", path);
        } else if input.is_null() {
            prop_assert!(found.is_err());
        } else {
            prop_assert_eq!(found, Ok(Value::Array(expected)), "{}", path);
        }
    }

    #[test]
    fn the_common_filters_select_what_rfc_9535_says(
        comparison in prop_oneof![
            prop::sample::select(vec!["== true", "!= true", "== null", "!= null", "== 'a'"]),
            prop::sample::select(vec!["== 1", "!= 1", "< 1", "<= 1", "> 1", ">= -1"]),
        ],
        items in prop::collection::vec(document(), 0..6),
    ) {
        let path = format!("$[?(@.a {comparison} || !(@.b) && @['c'])]");
        let input = Value::Array(items);
        let ours = Path::compile(&path).expect("the path compiles");
        let theirs = JsonPath::parse(&path).expect("the path is RFC 9535");
        let expected: Vec<_> = theirs.query(&input).all().into_iter().cloned().collect();
        let found = with_scope(&input, |scope| ours.evaluate(scope));
        prop_assert_eq!(found, Ok(Value::Array(expected)), "{}", path);
    }

    #[test]
    fn any_text_is_a_path_or_is_refused(
        path in prop_oneof![r"\$.{0,30}", r"\$[.\[\]()?@'*:,&|=~/ab0-9-]{0,30}"],
        input in document(),
    ) {
        if let Ok(path) = Path::compile(&path) {
            let first = with_scope(&input, |scope| path.evaluate(scope));
            prop_assert_eq!(first, with_scope(&input, |scope| path.evaluate(scope)));
        }
    }

    #[test]
    fn what_is_put_somewhere_is_found_there(path in common_path(), root in document()) {
        if let Ok(reference) = ReferencePath::compile(&path)
            && let Ok(whole) = reference.insert(root, json!("here"))
        {
            let path = Path::compile(&path).expect("a reference path is a path");
            let found = with_scope(&whole, |scope| path.evaluate(scope));
            prop_assert_eq!(found, Ok(json!("here")));
        }
    }
}
