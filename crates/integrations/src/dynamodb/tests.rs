//! Expressions on one item: what is true of it, what becomes of it, what is refused.

use super::change;
use super::condition;
use super::parser::StandIns;
use super::projection;
use super::update;
use super::value::{Attributes, read_attributes, write_attributes};
use crate::arguments::Arguments;
use crate::failure::Failure;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

fn item() -> Attributes {
    let item = json!({
        "id": {"S": "one"}, "n": {"N": "10"}, "t": {"S": "hello"}, "b": {"BOOL": true},
        "l": {"L": [{"N": "1"}, {"M": {"x": {"S": "deep"}}}]},
        "m": {"M": {"k": {"N": "5"}, "xs": {"L": [{"S": "a"}]}}},
        "ss": {"SS": ["red", "blue"]}, "null": {"NULL": true}, "bytes": {"B": "aGVsbG8="},
    });
    read_attributes(item.as_object().unwrap()).unwrap()
}

/// Every stand-in that the expressions below use.
fn stand_ins(text: &str) -> StandIns {
    let names = json!({"#n": "n", "#status": "status", "#0": "a.b"});
    let values = json!({
        ":one": {"N": "1"}, ":ten": {"N": "10.0"}, ":big": {"N": "1E+60"}, ":he": {"S": "he"},
        ":hello": {"S": "hello"}, ":true": {"BOOL": true}, ":list": {"L": [{"S": "z"}]},
        ":red": {"S": "red"}, ":reds": {"SS": ["red"]}, ":both": {"SS": ["red", "blue"]},
        ":green": {"SS": ["green"]}, ":S": {"S": "S"}, ":X": {"S": "X"}, ":map": {"M": {}},
        ":bytes": {"B": "aGU="},
    });
    // Only those that occur, as others would be refused.
    let used = |all: &Json| -> Map<String, Json> {
        let all = all.as_object().unwrap().iter();
        all.filter(|(key, _)| text.contains(key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let (names, values) = (used(&names), used(&values));
    let mut fields = Map::new();
    if !names.is_empty() {
        fields.insert("ExpressionAttributeNames".to_owned(), names.into());
    }
    if !values.is_empty() {
        fields.insert("ExpressionAttributeValues".to_owned(), values.into());
    }
    let arguments = Json::Object(fields);
    let known = ["ExpressionAttributeNames", "ExpressionAttributeValues"];
    StandIns::read(&Arguments::of(&arguments, &known).unwrap()).unwrap()
}

fn said(failure: Failure) -> String {
    match failure {
        Failure::Refused(refused) => refused.message,
        other => panic!("{other:?}"),
    }
}

fn holds(text: &str) -> Result<bool, String> {
    condition::parse(text, &mut stand_ins(text)).map(|c| c.holds(&item())).map_err(said)
}

#[test]
fn a_condition_is_true_or_false_of_an_item() {
    for text in [
        "n = :ten",
        "#n >= :one AND t = :hello",
        "n <> :one and not n = :one",
        "absent <> :one",
        "n BETWEEN :one AND :ten",
        "n IN (:one, :ten)",
        "attribute_exists(m.k)",
        "attribute_not_exists(m.absent)",
        "attribute_type(t, :S)",
        "begins_with(t, :he)",
        "begins_with(bytes, :bytes)",
        "contains(t, :he)",
        "contains(ss, :red)",
        "size(t) > :one",
        "size(ss) > :one AND size(l) > :one",
        "l[1].x <> :hello",
        "b = :true",
        "(n = :one OR n = :ten) AND (NOT (t = :he))",
        "n = :one AND t = :he OR n = :ten",
        "ss = :both",
    ] {
        assert_eq!(holds(text), Ok(true), "{text}");
    }
    for text in [
        "n = :hello",
        "n < :hello",
        "absent = :one",
        "absent < :one",
        "l[7] = :one",
        "t.x = :one",
        "attribute_type(n, :S)",
        "contains(m, :red)",
        "size(n) > :one",
        "n = :one AND (t = :he OR n = :ten)",
        "absent IN (:one)",
    ] {
        assert_eq!(holds(text), Ok(false), "{text}");
    }
}

#[test]
fn a_condition_that_makes_no_sense_is_refused_in_amazons_words() {
    for (text, words) in [
        ("", "Invalid ConditionExpression: The expression can not be empty;"),
        ("n = ", r#"Syntax error; token: "<EOF>", near: "= ""#),
        ("n = :one :ten", r#"Syntax error; token: ":ten", near: ":one :ten""#),
        ("n == :one", r#"Syntax error; token: "=", near: "== :one""#),
        ("n = 1", r#"Syntax error; token: "1", near: "= 1""#),
        ("n = 'x'", r#"Syntax error; token: "'", near: "= '""#),
        ("(n = :one", r#"Syntax error; token: "<EOF>", near: ":one""#),
        ("status = :one", "reserved keyword; reserved keyword: status"),
        ("n = :none", "not defined; attribute value: :none"),
        ("#none = :one", "not defined; attribute name: #none"),
        ("exists(n)", "Invalid function name; function: exists"),
        ("n < :true", "operator or function: <, operand type: BOOL"),
        ("begins_with(t, :one)", "operator or function: begins_with, operand type: N"),
        ("attribute_type(t, :X)", "Invalid attribute type name found; type: X"),
    ] {
        let why = holds(text).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
    }
    let deep = format!("{}n = :one{}", "(".repeat(100), ")".repeat(100));
    assert!(holds(&deep).unwrap_err().contains("nested too deeply"));
    let long = format!("n = :one{}", " ".repeat(5_000));
    assert!(holds(&long).unwrap_err().contains("maximum allowed size"));
}

/// What an update makes of the item: the attribute `name` afterwards, or DynamoDB's words.
fn after(text: &str, name: &str) -> Result<Json, String> {
    let update = update::parse(text, &mut stand_ins(text)).map_err(said)?;
    let changed = change::perform(&update, &item()).map_err(said)?;
    Ok(changed.get(name).map_or(Json::Null, super::value::Value::write))
}

#[test]
fn an_update_changes_what_it_names() {
    for (text, name, value) in [
        ("SET n = n + :one", "n", json!({"N": "11"})),
        ("SET n = :one - n", "n", json!({"N": "-9"})),
        ("set #status = if_not_exists(#status, :hello)", "status", json!({"S": "hello"})),
        ("SET n = if_not_exists(n, :one)", "n", json!({"N": "10"})),
        ("SET k = if_not_exists(k, :one) + :ten", "k", json!({"N": "11"})),
        ("SET #0 = :one", "a.b", json!({"N": "1"})),
        (
            "SET l = list_append(:list, l)",
            "l",
            json!({"L": [{"S": "z"}, {"N": "1"}, {"M": {"x": {"S": "deep"}}}]}),
        ),
        (
            "SET l[9] = :he",
            "l",
            json!({"L": [{"N": "1"}, {"M": {"x": {"S": "deep"}}}, {"S": "he"}]}),
        ),
        ("SET m.k = n, n = m.k", "m", json!({"M": {"k": {"N": "10"}, "xs": {"L": [{"S": "a"}]}}})),
        ("SET m.k = n, n = m.k", "n", json!({"N": "5"})),
        ("REMOVE m.xs[0]", "m", json!({"M": {"k": {"N": "5"}, "xs": {"L": []}}})),
        ("REMOVE l[0], l[1]", "l", json!({"L": []})),
        ("REMOVE t, absent", "t", Json::Null),
        ("ADD n :one", "n", json!({"N": "11"})),
        ("ADD absent :one", "absent", json!({"N": "1"})),
        ("ADD ss :green", "ss", json!({"SS": ["blue", "green", "red"]})),
        ("DELETE ss :reds", "ss", json!({"SS": ["blue"]})),
        ("DELETE ss :both", "ss", Json::Null),
        ("DELETE absent :reds", "absent", Json::Null),
        ("SET n = :one REMOVE t ADD ss :green", "t", Json::Null),
    ] {
        assert_eq!(after(text, name), Ok(value), "{text}");
    }
}

#[test]
fn an_update_that_cannot_be_made_changes_nothing_and_says_why() {
    for (text, words) in [
        ("SET n = absent", "refers to an attribute that does not exist in the item"),
        ("SET n = t + :one", "incorrect data type"),
        ("SET n = :he + :one", "operator or function: +, operand type: S"),
        ("SET n = list_append(n, :list)", "incorrect data type"),
        ("SET n = list_append(:one, :list)", "operator or function: list_append"),
        ("SET absent.x = :one", "document path provided in the update expression is invalid"),
        ("SET t.x = :one", "document path provided in the update expression is invalid"),
        ("REMOVE absent.x", "document path provided in the update expression is invalid"),
        ("ADD t :one", "incorrect data type"),
        ("ADD n :hello", "operator: ADD, operand type: S, typeSet: ALLOWED_FOR_ADD_OPERAND"),
        ("DELETE n :one", "operator: DELETE, operand type: N"),
        ("SET n = n + :big", "more than 38 significant digits"),
        ("SET n = :one SET t = :he", r#"The "SET" section can only be used once"#),
        ("SET m = :map, m.k = :one", "path one: [m], path two: [m, k]"),
        ("SET n = :one, n = :ten", "path one: [n], path two: [n]"),
        ("n = :one", r#"Syntax error; token: "n""#),
        ("SET n :one", r#"Syntax error; token: ":one""#),
        ("SET n = frob(n)", "Invalid function name; function: frob"),
    ] {
        let why = after(text, "n").map(|_| text).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
    }
}

#[test]
fn a_projection_shows_the_same_document_but_for_the_rest() {
    let text = "#n, l[1].x, m.xs[0], absent, t.deeper";
    let paths = projection::parse(text, &mut stand_ins(text)).unwrap();
    let shown = super::path::project(&item(), &paths.iter().collect::<Vec<_>>());
    let expected = json!({
        "n": {"N": "10"}, "l": {"L": [{"M": {"x": {"S": "deep"}}}]},
        "m": {"M": {"xs": {"L": [{"S": "a"}]}}},
    });
    assert_eq!(write_attributes(&shown), expected);
}

/// Texts out of the words that expressions are made of.
fn expressions() -> impl Strategy<Value = String> {
    let words = [
        "a",
        "#n",
        ":one",
        "(",
        ")",
        "[",
        "]",
        "0",
        "99999999999999999999",
        ".",
        ",",
        "=",
        "<>",
        "<=",
        "+",
        "-",
        "AND",
        "or",
        "NOT",
        "BETWEEN",
        "IN",
        "SET",
        "REMOVE",
        "ADD",
        "DELETE",
        "size",
        "contains",
        "if_not_exists",
        "list_append",
        " ",
        "é",
        "'",
        "#",
        ":",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..60)
        .prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_text_makes_an_expression_fall_over(text in prop_oneof![expressions(), ".{0,200}"]) {
        let item = item();
        if let Ok(condition) = condition::parse(&text, &mut stand_ins(&text)) {
            condition.holds(&item);
        }
        if let Ok(update) = update::parse(&text, &mut stand_ins(&text)) {
            drop(change::perform(&update, &item));
        }
        if let Ok(paths) = projection::parse(&text, &mut stand_ins(&text)) {
            super::path::project(&item, &paths.iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn deep_texts_end_early(sign in prop::sample::select(vec!["(", "NOT ", "list_append(", "a["]),
                            times in 0usize..1_500) {
        let text = sign.repeat(times);
        drop(condition::parse(&text, &mut stand_ins(&text)));
        let text = format!("SET a = {text}");
        drop(update::parse(&text, &mut stand_ins(&text)));
    }
}
