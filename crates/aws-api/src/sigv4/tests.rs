//! AWS's published example requests, and what may not be changed in a signed one.

use super::*;
use http::Request as HttpRequest;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const HEAD: &str =
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";

fn credentials() -> Credentials {
    Credentials { access_key_id: "AKIDEXAMPLE".into(), secret_access_key: SECRET.into() }
}

/// Signed at this time, says the examples' `X-Amz-Date`.
fn then() -> Timestamp {
    "2015-08-30T12:36:00Z".parse().unwrap()
}

struct Example {
    method: &'static str,
    uri: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    signed_headers: &'static str,
    signature: &'static str,
}

/// From the signing test suite of AWS's SDKs, and the IAM User Guide.
const EXAMPLES: [Example; 7] = [
    Example {
        method: "GET",
        uri: "/",
        headers: &[],
        body: "",
        signed_headers: "host;x-amz-date",
        signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    },
    Example {
        method: "GET",
        uri: "/?Param2=value2&Param1=value1",
        headers: &[],
        body: "",
        signed_headers: "host;x-amz-date",
        signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    },
    Example {
        method: "GET",
        uri: "/example/..",
        headers: &[],
        body: "",
        signed_headers: "host;x-amz-date",
        signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    },
    Example {
        method: "POST",
        uri: "/",
        headers: &[],
        body: "",
        signed_headers: "host;x-amz-date",
        signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    },
    Example {
        method: "POST",
        uri: "/",
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        body: "Param1=value1",
        signed_headers: "content-type;host;x-amz-date",
        signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    },
    Example {
        method: "GET",
        uri: "/",
        headers: &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
        body: "",
        signed_headers: "host;my-header1;my-header2;x-amz-date",
        signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    },
    Example {
        method: "GET",
        uri: "/",
        headers: &[
            ("my-header1", "value4"),
            ("my-header1", "value1"),
            ("my-header1", "value3"),
            ("my-header1", "value2"),
        ],
        body: "",
        signed_headers: "host;my-header1;x-amz-date",
        signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
    },
];

impl Example {
    fn parts(&self) -> Parts {
        let mut request = HttpRequest::builder()
            .method(self.method)
            .uri(self.uri)
            .header("host", "example.amazonaws.com")
            .header("x-amz-date", "20150830T123600Z");
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        let (signed, signature) = (self.signed_headers, self.signature);
        let authorization = format!("{HEAD}, SignedHeaders={signed}, Signature={signature}");
        let request = request.header("authorization", authorization);
        request.body(()).unwrap().into_parts().0
    }
}

fn verdict(parts: &Parts, body: &str, now: Timestamp) -> Result<(), Refused> {
    verify(&Request::of(parts, body.as_bytes()), &credentials(), "service", now)
}

#[test]
fn awss_published_examples_are_accepted() {
    for example in &EXAMPLES {
        let verdict = verdict(&example.parts(), example.body, then());
        assert_eq!(verdict, Ok(()), "{} {}", example.method, example.uri);
    }
}

#[test]
fn nothing_that_was_signed_may_change() {
    for example in &EXAMPLES {
        let signed = example.parts();
        assert_eq!(verdict(&signed, "other", then()), Err(Refused::Wrong), "{}", example.uri);
        let mut changed = signed.clone();
        changed.method = http::Method::PUT;
        assert_eq!(verdict(&changed, example.body, then()), Err(Refused::Wrong));
        let mut changed = signed.clone();
        changed.headers.insert("host", "elsewhere.amazonaws.com".parse().unwrap());
        assert_eq!(verdict(&changed, example.body, then()), Err(Refused::Wrong));
        let mut changed = signed;
        changed.uri = "/other".parse().unwrap();
        assert_eq!(verdict(&changed, example.body, then()), Err(Refused::Wrong));
    }
}

#[test]
fn a_signature_holds_for_five_minutes_both_ways() {
    let (parts, second) = (EXAMPLES[0].parts(), Duration::from_secs(1));
    let minutes_before = Timestamp::from_millis(then().as_millis() - 300_000);
    assert_eq!(verdict(&parts, "", then().plus(SKEW_MAX)), Ok(()));
    assert_eq!(verdict(&parts, "", minutes_before), Ok(()));
    let late = verdict(&parts, "", then().plus(SKEW_MAX + second));
    assert!(matches!(late, Err(Refused::Skewed(_))), "{late:?}");
    let early = verdict(&parts, "", Timestamp::from_millis(then().as_millis() - 301_000));
    assert!(matches!(early, Err(Refused::Skewed(_))), "{early:?}");
}

#[test]
fn what_is_missing_or_another_is_named() {
    let with = |authorization: &str| {
        let mut parts = EXAMPLES[0].parts();
        parts.headers.insert("authorization", authorization.parse().unwrap());
        verdict(&parts, "", then())
    };
    let mut parts = EXAMPLES[0].parts();
    parts.headers.remove("authorization");
    assert_eq!(verdict(&parts, "", then()), Err(Refused::Missing));

    let rest = format!("SignedHeaders=host;x-amz-date, Signature={}", EXAMPLES[0].signature);
    let other_key = HEAD.replace("AKIDEXAMPLE", "AKIDOTHER");
    assert_eq!(with(&format!("{other_key}, {rest}")), Err(Refused::UnknownKey));
    for incomplete in [
        "Basic c2FnYTpzYWdh".to_owned(),
        HEAD.to_owned(),
        format!("{HEAD}, SignedHeaders=host;x-amz-date, Signature=xyz"),
        format!("{HEAD}, SignedHeaders=x-amz-date, Signature={}", EXAMPLES[0].signature),
        format!("{}, {rest}", HEAD.replace("/aws4_request", "")),
        format!("{}, {rest}", HEAD.replace("20150830", "20150831")),
        format!("{}, {rest}", HEAD.replace("/service/", "/other/")),
    ] {
        let verdict = with(&incomplete);
        assert!(matches!(verdict, Err(Refused::Incomplete(_))), "{incomplete}: {verdict:?}");
    }
}
