//! However an object is cut into chunks, its items are those of the whole.

use super::*;
use crate::map_run::settings::Header;
use proptest::prelude::*;
use serde_json::json;

/// Splits `bytes`, cut at these lengths in turn.
fn split(format: &Format, bytes: &[u8], cuts: &[usize]) -> Result<Vec<Value>, Unreadable> {
    let (mut splitter, mut items) = (Splitter::new(format), Vec::new());
    let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
    while !rest.is_empty() {
        let length = cuts.next().copied().unwrap_or(1).clamp(1, rest.len());
        let (chunk, after) = rest.split_at(length);
        splitter.push(chunk, &mut items)?;
        rest = after;
    }
    splitter.finish(&mut items)?;
    Ok(items)
}

fn check(format: &Format, text: &str, expected: &[Value]) {
    for cuts in [&[1][..], &[2, 3], &[7], &[usize::MAX]] {
        let items = split(format, text.as_bytes(), cuts);
        assert_eq!(items.as_deref(), Ok(expected), "{text:?} in chunks of {cuts:?}");
    }
}

fn refused(format: &Format, text: &str) -> String {
    split(format, text.as_bytes(), &[3]).expect_err(text).to_string()
}

fn at(pointer: &[&str]) -> Format {
    Format::Json { pointer: pointer.iter().map(|step| (*step).to_owned()).collect() }
}

fn csv(delimiter: char) -> Format {
    Format::Csv { delimiter, header: Header::FirstRow }
}

#[test]
fn an_array_is_taken_apart_into_its_elements() {
    let items = [json!(1), json!("a,]\"\\"), json!({"b": [1, {}]}), json!(null), json!(-0.5)];
    check(&at(&[]), &json!(items).to_string(), &items);
    check(&at(&[]), "\u{feff} [ 1 , 2\n]\r\n ", &[json!(1), json!(2)]);
    check(&at(&[]), "[]", &[]);
}

#[test]
fn an_object_is_taken_apart_into_keys_and_values() {
    let members = [json!({"Key": "a", "Value": 1}), json!({"Key": "b\"", "Value": [2]})];
    check(&at(&[]), r#"{"a": 1, "b\"": [2]}"#, &members);
    check(&at(&[]), "{}", &[]);
}

#[test]
fn a_pointer_leads_to_items_further_inside() {
    let text = r#"{"x": {"items": [9]}, "shop": {"n": 1, "rows": [[7], [1, 2, 3]]}, "y": }"#;
    check(&at(&["shop", "rows", "1"]), text, &[json!(1), json!(2), json!(3)]);
    check(&at(&["x", "items"]), text, &[json!(9)]);
    assert!(refused(&at(&["shop", "none"]), text).contains("/shop/none"));
    assert!(refused(&at(&["shop", "n"]), text).contains("non-iterable"));
    assert!(refused(&at(&["shop", "n", "m"]), text).contains("/shop/n/m"));
}

#[test]
fn what_is_no_json_is_refused() {
    for text in ["", "[", "[1", "[1,]", "[1 2]", "{\"a\" 1}", "[1]]", "[tru]", "[1] x", "{1:2}"] {
        let why = refused(&at(&[]), text);
        assert!(why.starts_with("The object is not valid JSON"), "{text}: {why}");
    }
    assert!(refused(&at(&[]), "17").contains("non-iterable"));
}

#[test]
fn lines_hold_one_value_each() {
    let lines = "{\"a\":1}\n\n  \n[2]\r\n\"three\"";
    check(&Format::JsonLines, lines, &[json!({"a": 1}), json!([2]), json!("three")]);
    assert!(refused(&Format::JsonLines, "1\n2 3\n").starts_with("Line 2"));
}

#[test]
fn a_record_has_the_names_of_its_header() {
    let text = "id,name\r\n1,Ada\r\n2,\n3\n4,Eve,more\n";
    let row = |id: &str, name: &str| json!({"id": id, "name": name});
    let rows = [row("1", "Ada"), row("2", ""), row("3", ""), row("4", "Eve")];
    check(&csv(','), text, &rows);
    let given = Header::Given(vec!["id".to_owned(), "name".to_owned()]);
    let given = Format::Csv { delimiter: '|', header: given };
    check(&given, "1|Ada\n\n2|Eve", &[row("1", "Ada"), row("2", "Eve")]);
}

#[test]
fn quotes_and_backslashes_protect_what_they_should() {
    let text = "path,size\n\"a \"\"b\"\",\n c\",1\nC:\\\\Files\\\\x.exe,2\nx\\,y,3\n\\q\\\"z,4\n";
    let row = |path: &str, size: &str| json!({"path": path, "size": size});
    let rows =
        [row("a \"b\",\n c", "1"), row("C:\\Files\\x.exe", "2"), row("x,y", "3"), row("q\"z", "4")];
    check(&csv(','), text, &rows);
}

#[test]
fn a_record_of_nothing_but_delimiters_is_one() {
    let text = "H1,\n,,,\n   \n\"\"\n";
    let row = |h1: &str, other: &str| json!({"H1": h1, "": other});
    check(&csv(','), text, &[row("", ""), row("   ", ""), row("", "")]);
}

#[test]
fn an_item_larger_than_may_be_is_refused_before_it_is_whole() {
    let long = "x".repeat(MAP_RUN_ITEM_BYTES_MAX + 1);
    for (format, text) in [
        (at(&[]), format!("[\"{long}")),
        (Format::JsonLines, format!("\"{long}")),
        (csv(','), format!("a\n{long}")),
    ] {
        let refused = split(&format, text.as_bytes(), &[65_536]).unwrap_err();
        assert_eq!(refused, Unreadable::too_long());
    }
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é\\n\"\\\\]{0,8}".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-c\"\\\\]{0,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn splitting_json_equals_parsing_the_whole(
        items in prop::collection::vec(value(), 0..8),
        cuts in prop::collection::vec(1_usize..9, 1..6),
        pretty in any::<bool>(),
    ) {
        let whole = json!({"skip": items, "here": [{"no": 1}, items]});
        let text = if pretty {
            serde_json::to_string_pretty(&whole).unwrap()
        } else {
            whole.to_string()
        };
        prop_assert_eq!(split(&at(&["here", "1"]), text.as_bytes(), &cuts), Ok(items.clone()));
        let lines: Vec<String> = items.iter().map(Value::to_string).collect();
        let lines = split(&Format::JsonLines, lines.join("\n").as_bytes(), &cuts);
        prop_assert_eq!(lines, Ok(items));
    }

    #[test]
    fn a_record_that_was_quoted_is_read_back(
        rows in prop::collection::vec(prop::collection::vec("[ -~é\\n\\r]{0,6}", 2), 0..6),
        cuts in prop::collection::vec(1_usize..9, 1..6),
    ) {
        let quoted = |field: &String| {
            format!("\"{}\"", field.replace('\\', "\\\\").replace('"', "\"\""))
        };
        let mut text = "a,b\n".to_owned();
        for row in &rows {
            text.push_str(&row.iter().map(quoted).collect::<Vec<_>>().join(","));
            text.push('\n');
        }
        let expected = rows.iter().map(|row| json!({"a": row[0], "b": row[1]}));
        let expected: Vec<Value> = expected.collect();
        prop_assert_eq!(split(&csv(','), text.as_bytes(), &cuts), Ok(expected));
    }

    #[test]
    fn any_bytes_are_split_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        cuts in prop::collection::vec(1_usize..9, 1..4),
    ) {
        for format in [at(&[]), at(&["a"]), Format::JsonLines, csv(';')] {
            let whole = split(&format, &bytes, &[usize::MAX]);
            let cut = split(&format, &bytes, &cuts);
            prop_assert_eq!(whole.is_ok(), cut.is_ok());
            if let (Ok(whole), Ok(cut)) = (whole, cut) {
                prop_assert_eq!(whole, cut);
            }
        }
    }

    #[test]
    fn any_text_of_json_tokens_is_judged_as_a_parser_judges_it(
        tokens in prop::collection::vec(
            prop::sample::select(vec!["[", "]", "{", "}", ",", ":", "1", "\"a\"", "true", " "]),
            0..12,
        ),
    ) {
        let text = tokens.concat();
        let parsed = serde_json::from_str::<Value>(&text);
        let split = split(&at(&[]), text.as_bytes(), &[2]);
        match parsed {
            Ok(Value::Array(items)) => prop_assert_eq!(split, Ok(items)),
            Ok(Value::Object(_)) => prop_assert!(split.is_ok()),
            Ok(_) | Err(_) => prop_assert!(split.is_err(), "{}", text),
        }
    }
}
