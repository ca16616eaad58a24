//! Inputs, case by case: what PutTargets takes, and what targets were seen to get.

use super::*;
use contracts::envelope::Detail;
use proptest::prelude::*;
use serde_json::json;

fn event() -> Envelope {
    let detail = json!({
        "command": "update-account",
        "payload": {"acc_id": "0a787ecb-4015", "sf_id": "baz"},
        "one": ["HIGH"],
        "two": ["ACTIVE", "INACTIVE"],
        "valid": true,
        "count": 3,
        "nothing": null,
        "said": "she said \"no\"\n",
    });
    Envelope {
        source: "shop".into(),
        detail_type: "Sold".into(),
        time: Timestamp::from_millis(1_795_413_600_120),
        detail: Detail::read("shop", detail.as_object().cloned().unwrap_or_default()),
        ..Envelope::default()
    }
}

fn text(input: &Input) -> Result<String, String> {
    let (event, home) = (event(), Home::default());
    let view = delivered::view(&event, &home);
    let context = Context {
        event: &event,
        view: &view,
        home: &home,
        rule_arn: "arn:aws:events:us-east-1:000000000000:rule/r",
        rule_name: "r",
    };
    input.text(&context)
}

fn transformer(template: &str) -> InputTransformer {
    let paths = [
        ("user", "$.detail.payload.acc_id"),
        ("payload", "$.detail.payload"),
        ("gone", "$.detail.gone"),
        ("one", "$.detail.one"),
        ("two", "$.detail.two"),
        ("valid", "$.detail.valid"),
        ("count", "$.detail.count"),
        ("nothing", "$.detail.nothing"),
        ("said", "$.detail.said"),
        ("detail-type", "$.detail-type"),
    ];
    InputTransformer {
        input_paths_map: paths.map(|(name, path)| (name.into(), path.into())).into(),
        input_template: template.to_owned(),
    }
}

fn filled(template: &str) -> Result<String, String> {
    let input = Input::transformed(&transformer(template), "t").expect(template);
    text(&input)
}

#[test]
fn templates_are_filled_as_eventbridge_fills_them() {
    for (template, expected) in [
        (r#"{"id" : <user>}"#, r#"{"id" : "0a787ecb-4015"}"#),
        (r#"{"id" : "<user>"}"#, r#"{"id" : "0a787ecb-4015"}"#),
        (
            r#"{"path": "users/<user>/x/<user>"}"#,
            r#"{"path": "users/0a787ecb-4015/x/0a787ecb-4015"}"#,
        ),
        (r#"{"b": [<user>, "fixed"]}"#, r#"{"b": ["0a787ecb-4015", "fixed"]}"#),
        (r#"{"b": <payload>}"#, r#"{"b": {"acc_id":"0a787ecb-4015","sf_id":"baz"}}"#),
        (r#"{"b": <one>, "c": <count>}"#, r#"{"b": ["HIGH"], "c": 3}"#),
        (r#"{"b": <gone>, "c": "<gone>"}"#, r#"{"b": "", "c": ""}"#),
        (r#"{"b": <nothing>}"#, r#"{"b": null}"#),
        (r#"{"b": "<said>"}"#, r#"{"b": "she said \"no\"\n"}"#),
        (r#"{"b": "a \"<user>\" b"}"#, r#"{"b": "a \"0a787ecb-4015\" b"}"#),
        (r#"{"n": "<count> of <valid>"}"#, r#"{"n": "3 of true"}"#),
        (r#""Event of <detail-type>, <gone>""#, r#""Event of Sold, ""#),
        (r#""{[/odd beginning of <detail-type>""#, r#""{[/odd beginning of Sold""#),
        (
            r#""of <payload> and <user>""#,
            r#""of {acc_id:0a787ecb-4015,sf_id:baz} and 0a787ecb-4015""#,
        ),
        (r#""<one> item""#, r#""[HIGH] item""#),
        (r#""<two> items""#, r#""[ACTIVE,INACTIVE] items""#),
        (r#""Command is <valid>!""#, r#""Command is true!""#),
        ("\"<one> a\"\n\"<user> b\"", "\"[HIGH] a\"\n\"0a787ecb-4015 b\""),
        (r#""a < b and <user> > c""#, r#""a < b and 0a787ecb-4015 > c""#),
        (
            r#""<aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time>""#,
            r#""arn:aws:events:us-east-1:000000000000:rule/r r 2026-11-23T06:00:00Z""#,
        ),
        (r#"{"rule": <aws.events.rule-name>}"#, r#"{"rule": "r"}"#),
        (
            r#"{"e": <aws.events.event>}"#,
            r#"{"e": {"version":"0","id":"00000000-0000-0000-0000-000000000000","detailType":"Sold","source":"shop","account":"000000000000","time":"2026-11-23T06:00:00Z","region":"us-east-1","resources":[]}}"#,
        ),
    ] {
        assert_eq!(filled(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn the_whole_event_fits_into_a_template() {
    let whole = text(&Input::Whole).expect("the event is there");
    let inside = filled(r#"{"e": <aws.events.event.json>}"#);
    assert_eq!(inside, Ok(format!(r#"{{"e": {whole}}}"#)));
}

#[test]
fn a_value_in_the_quotes_of_an_object_that_is_no_text_makes_it_unsendable() {
    for template in [r#"{"b": "<payload>"}"#, r#"{"b": "x <one>"}"#] {
        assert!(filled(template).is_err(), "{template}");
    }
}

#[test]
fn wrong_templates_are_refused_in_eventbridges_words() {
    let why = |template| Input::transformed(&transformer(template), "t").expect_err(template);
    assert_eq!(
        why(r#""with <notdefinedkey>""#),
        "InputTemplate for target t contains invalid placeholder notdefinedkey."
    );
    for template in ["<user> is unquoted", "{\"a\": }", "{<user>: 1}", "\"open", " ", "{} {}", ""] {
        assert!(why(template).starts_with("Invalid InputTemplate for target t"), "{template}");
    }
    let mut reserved = transformer("\"x\"");
    reserved.input_paths_map.insert("AWS.x".into(), "$.x".into());
    assert!(Input::transformed(&reserved, "t").is_err());
}

#[test]
fn a_part_keeps_its_quotes_and_a_missing_part_is_nothing_to_send() {
    let part = |path| Input::part(path).and_then(|input| text(&input));
    assert_eq!(part("$.detail.payload.sf_id").as_deref(), Ok("\"baz\""));
    assert!(part("$.detail.gone").is_err());
    assert_eq!(
        Input::constant("{\"a\": 1}").and_then(|input| text(&input)),
        Ok("{\"a\": 1}".into())
    );
    assert!(Input::constant("a").is_err());
}

#[test]
fn a_filled_template_has_an_end() {
    let many = format!("\"{}\"", "<aws.events.event.json>".repeat(350));
    assert!(filled(&many).is_ok());
    let large = "x".repeat(100_000);
    let mut event = event();
    event.source = large;
    let home = Home::default();
    let view = delivered::view(&event, &home);
    let context = Context { event: &event, view: &view, home: &home, rule_arn: "", rule_name: "" };
    let input = Input::transformed(&transformer(&many), "t").expect("it is written well");
    assert!(input.text(&context).expect_err("too long").contains("longer than"));
}

proptest! {
    #[test]
    fn no_template_causes_a_panic_and_what_an_object_is_filled_to_is_json(
        template in "(\\{|\")?(<user>|<payload>|<aws\\.events\\.event>|[<>{}\\[\\]\":,\\\\a ]){0,30}[\"}]?",
    ) {
        if let Ok(input) = Input::transformed(&transformer(&template), "t")
            && let Ok(filled) = text(&input)
            && template.trim_start().starts_with('{')
        {
            prop_assert!(serde_json::from_str::<Value>(&filled).is_ok(), "{filled}");
        }
    }

    #[test]
    fn no_path_causes_a_panic(path in "\\$?[.a\\[\\]*0-9-]{0,20}") {
        let input = Input::part(&path);
        let outcome = input.as_ref().map(text);
        prop_assert!(outcome.is_ok() || input.is_err());
    }
}
