//! What intrinsic functions answer and refuse.

use super::*;
use contracts::time::Timestamp;
use proptest::prelude::*;
use serde_json::json;

fn evaluate(text: &str, input: &Value) -> Result<Value, Failure> {
    let call = Call::compile(text).expect("the call compiles");
    let scope = Scope {
        input,
        context: &Value::Null,
        result: None,
        error_output: None,
        variables: &(),
        at: Timestamp::EPOCH,
        seed: 5,
    };
    call.evaluate(Chance::new(scope.seed, 0), &scope)
}

#[track_caller]
fn check(text: &str, input: Value, expected: Value) {
    assert_eq!(evaluate(text, &input), Ok(expected), "{text}");
}

#[track_caller]
fn check_refused(text: &str, input: Value, expected: &str) {
    let failure = evaluate(text, &input).expect_err("the call is refused");
    assert_eq!(failure.error, "States.IntrinsicFailure");
    assert!(failure.cause.contains(expected), "{}", failure.cause);
    assert!(failure.cause.contains(text), "{}", failure.cause);
}

#[track_caller]
fn check_problem(text: &str, expected: &str) {
    let problem = Call::compile(text).expect_err("the text is refused");
    assert!(problem.message.contains(expected), "{}", problem.message);
}

#[test]
fn format_fills_its_template() {
    check("States.Format('Hi {}, {}!', $.n, 2)", json!({"n": "A"}), json!("Hi A, 2!"));
    check("States.Format('{}', $)", json!(1.1), json!("1.1"));
    check("States.Format('{}|{}', null, true)", json!({}), json!("null|true"));
    check("States.Format($, 1)", json!("t{}"), json!("t1"));
    check(
        "States.Format('{}', $)",
        json!({"a": 1, "b": [], "c": ["x", {"d": "y"}]}),
        json!("{a=1, b=[], c=[x, {d=y}]}"),
    );
    check(r"States.Format('\{\} \'{}\' \\ {', 1)", json!(0), json!(r"{} '1' \ {"));
}

#[test]
fn format_counts_its_values() {
    check_refused("States.Format('{} {}', 1)", json!({}), "more {} than");
    check_refused("States.Format('{}', 1, 2)", json!({}), "fewer {} than");
    check_refused("States.Format($.a, 2)", json!({"a": 1}), "expected a string, found number");
}

#[test]
fn json_is_read_and_written() {
    check("States.StringToJson($)", json!("{\"a\": [1, 1.5]}"), json!({"a": [1, 1.5]}));
    check("States.StringToJson($)", json!(" "), json!(null));
    check("States.StringToJson($)", json!("-0"), json!(0));
    check("States.JsonToString($)", json!({"a": [1, null]}), json!("{\"a\":[1,null]}"));
    check(
        r#"States.JsonMerge(States.StringToJson('{"a": 1}'), $, false)"#,
        json!({"b": 2, "a": 3}),
        json!({"a": 3, "b": 2}),
    );
    check_refused("States.StringToJson('{')", json!({}), "not valid JSON");
    check_refused("States.JsonMerge($, $, true)", json!({}), "shallow");
    check_refused("States.JsonMerge($, 1, false)", json!({}), "expected an object");
}

#[test]
fn arrays_are_made_cut_and_searched() {
    check("States.Array()", json!({}), json!([]));
    check("States.Array('a', 1, $)", json!([2]), json!(["a", 1, [2]]));
    check("States.ArrayPartition($, 2)", json!([1, 2, 3]), json!([[1, 2], [3]]));
    check("States.ArrayPartition($, 4)", json!([]), json!([]));
    check("States.ArrayContains($, $[0])", json!([{"a": []}]), json!(true));
    check("States.ArrayContains($, null)", json!([[1], 2]), json!(false));
    check("States.ArrayRange(0, 10, 3)", json!({}), json!([0, 3, 6, 9]));
    check("States.ArrayRange(1, 9, 2)", json!({}), json!([1, 3, 5, 7, 9]));
    check("States.ArrayRange(3, 1, -1)", json!({}), json!([3, 2, 1]));
    check("States.ArrayRange(3, 1, 1)", json!({}), json!([]));
    check("States.ArrayGetItem($, 1)", json!([1, 2]), json!(2));
    check("States.ArrayLength($)", json!([1, 2]), json!(2));
    check(
        "States.ArrayUnique($)",
        json!([1, "1", {"a": 1, "b": 2}, 1, {"b": 2, "a": 1}, null]),
        json!([1, "1", {"a": 1, "b": 2}, null]),
    );
}

#[test]
fn arrays_have_their_limits() {
    check_refused("States.ArrayPartition($, 0)", json!([1]), "positive");
    check_refused("States.ArrayRange(0, 1000, 1)", json!({}), "more than 1000 items");
    check_refused("States.ArrayRange(0, 1, 0)", json!({}), "must not be zero");
    check_refused("States.ArrayGetItem($, 2)", json!([1, 2]), "outside an array of 2");
    check_refused("States.ArrayGetItem($, -1)", json!([1, 2]), "outside an array of 2");
    check_refused("States.ArrayLength($)", json!("abc"), "expected an array, found string");
}

#[test]
fn texts_are_encoded_hashed_and_split() {
    check("States.Base64Encode('Data to encode')", json!({}), json!("RGF0YSB0byBlbmNvZGU="));
    check("States.Base64Decode('RGF0YSB0byBlbmNvZGU=')", json!({}), json!("Data to encode"));
    let hashes = [
        ("MD5", "812f45842bc6d66ee14572ce20db8e86"),
        ("SHA-1", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
    ];
    for (algorithm, expected) in hashes {
        check(&format!("States.Hash('input data', '{algorithm}')"), json!({}), json!(expected));
    }
    check("States.StringSplit($, '.+,')", json!("a.b+c,,d"), json!(["a", "b", "c", "d"]));
    check("States.StringSplit($, ',')", json!(",\n,"), json!(["\n"]));
    check_refused("States.Base64Decode('%')", json!({}), "not valid base64");
    check_refused("States.Hash('a', 'CRC')", json!({}), "'CRC' is none of");
    check_refused("States.Base64Encode($)", json!("x".repeat(10_001)), "10000 characters");
}

#[test]
fn numbers_are_rounded_and_added() {
    for (one, other, sum) in [
        (json!(-9), json!(3), -6),
        (json!(1.49), json!(1.5), 3),
        (json!(-1.5), json!(0), -1),
        (json!(-1.51), json!(0), -2),
        (json!(2.5), json!(0), 3),
        (json!(-0.5), json!(0), 0),
        (json!(-3.5), json!(0), -3),
    ] {
        check("States.MathAdd($.a, $.b)", json!({"a": one, "b": other}), json!(sum));
    }
    check("States.MathAdd(-1, 1e2)", json!({}), json!(99));
    check_refused("States.MathAdd($, 1)", json!(i64::MAX), "64 bits");
    check_refused("States.MathAdd($, 1)", json!(1e300), "64 bits");
    check_refused("States.MathAdd('1', 1)", json!({}), "expected a number");
}

#[test]
fn chance_is_the_same_for_the_same_seed() {
    let random = "States.MathRandom(0, 1000, 7)";
    assert_eq!(evaluate(random, &json!(1)), evaluate(random, &json!(2)));
    check("States.MathRandom(3, 4)", json!({}), json!(3));
    check_refused("States.MathRandom(4, 4)", json!({}), "is empty");
    let pair = evaluate("States.Array(States.UUID(), States.UUID())", &json!({}));
    let pair = pair.expect("the call answers");
    assert_ne!(pair[0], pair[1]);
}

#[test]
fn calls_nest_up_to_ten() {
    let nested = |count: usize| format!("{}{}", "States.Array(".repeat(count), ")".repeat(count));
    assert!(Call::compile(&nested(10)).is_ok());
    check_problem(&nested(11), "more than 10 intrinsic function calls");
    check(
        "States.ArrayGetItem(States.StringSplit($.arn, ':'), 1)",
        json!({"arn": "arn:aws:x"}),
        json!("aws"),
    );
}

#[test]
fn a_missing_argument_is_named() {
    check_refused(
        "States.Format('{}', $.gone)",
        json!({"a": 1}),
        "The JsonPath argument for the field '$.gone' could not be found in the input '{\"a\":1}'",
    );
}

#[test]
fn what_is_no_call_is_refused() {
    check_problem("plain", "a path or an intrinsic function call");
    check_problem("States.Zork()", "there is no intrinsic function `States.Zork`");
    check_problem("States.Format", "expected `(`");
    check_problem("States.Format()", "does not take 0 arguments");
    check_problem("States.MathAdd(1)", "does not take 1 arguments");
    check_problem("States.Format('a", "a closing `'`");
    check_problem("States.Format('a' 'b')", "`,` or `)`");
    check_problem("States.Array(a)", "a text in single quotes");
    check_problem("States.UUID() x", "the end of the call");
    check_problem("States.Array($.)", "a member name");
}

proptest! {
    #[test]
    fn any_text_is_a_call_or_is_refused(
        text in prop_oneof![
            r"States\.(Format|Array|ArrayRange|MathAdd|Hash|UUID)\([$.ab0-9', {}\\()-]{0,20}\)",
            ".{0,40}",
        ],
        input in "[a-z0-9{}]{0,8}",
    ) {
        if let Ok(call) = Call::compile(&text) {
            prop_assert_eq!(&*call.text, text.trim());
            let input = Value::String(input);
            prop_assert_eq!(evaluate(&text, &input), evaluate(&text, &input));
        }
    }

    #[test]
    fn any_argument_is_taken_or_refused(
        function in prop::sample::select(Function::TABLE.to_vec()),
        values in prop::collection::vec(prop_oneof![
            Just(json!(null)), Just(json!(true)), any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from), ".{0,6}".prop_map(Value::from),
            Just(json!([1, [2], {"a": 3}])), Just(json!({"a": {"b": []}})),
        ], 0..4),
    ) {
        let (function, _, least, most) = function;
        if (least..=most).contains(&values.len()) {
            let first = function.apply(values.clone(), &mut Chance::new(1, 1));
            prop_assert_eq!(first, function.apply(values, &mut Chance::new(1, 1)));
        }
    }
}
