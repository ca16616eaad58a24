//! What a role lets its owner do.
//!
//! As IAM decides it: everything is refused that no statement allows, and what a statement denies
//! is refused whatever another allows. An operator or a key of a condition that is not known here
//! lets nothing through.
//!
//! Owns: the decision. Does not own: what a request asks for ([`super::proxy`]).

use serde_json::Value;
use std::collections::BTreeMap;

/// One statement of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it is called; empty when it has no name.
    pub sid: String,
    /// Whether it allows or denies.
    pub allows: bool,
    /// Which actions, as patterns.
    pub actions: Vec<String>,
    /// On which resources, as patterns.
    pub resources: Vec<String>,
    /// Under which conditions, all of which must hold.
    pub conditions: Vec<Condition>,
}

/// One condition of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How values are compared: `ForAllValues:StringLike`.
    pub operator: String,
    /// What of the request is looked at: `dynamodb:LeadingKeys`.
    pub key: String,
    /// What it is compared with.
    pub values: Vec<String>,
}

/// One action that a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The action: `dynamodb:GetItem`.
    pub action: String,
    /// The ARN of what it is done to.
    pub resource: String,
    /// What of the request conditions may look at.
    pub context: BTreeMap<String, Vec<String>>,
}

impl Call {
    /// An action on a resource.
    #[must_use]
    pub fn new(action: &str, resource: impl Into<String>) -> Self {
        Self { action: action.to_owned(), resource: resource.into(), context: BTreeMap::new() }
    }

    /// With what a condition may look at.
    #[must_use]
    pub fn with(mut self, key: &str, values: Vec<String>) -> Self {
        self.context.insert(key.to_owned(), values);
        self
    }
}

impl Statement {
    /// Reads a statement as it stands in a policy.
    ///
    /// # Panics
    /// It has what is not known here.
    #[must_use]
    pub fn read(given: &Value) -> Self {
        for name in given.as_object().unwrap().keys() {
            let known = ["Sid", "Effect", "Action", "Resource", "Condition"];
            assert!(known.contains(&name.as_str()), "{name} is not known here: {given}");
        }
        let conditions = given["Condition"].as_object().into_iter().flatten();
        let conditions = conditions.flat_map(|(operator, keys)| {
            keys.as_object().unwrap().iter().map(|(key, values)| Condition {
                operator: operator.clone(),
                key: key.clone(),
                values: texts(values),
            })
        });
        Self {
            sid: given["Sid"].as_str().unwrap_or_default().to_owned(),
            allows: given["Effect"] == "Allow",
            actions: texts(&given["Action"]),
            resources: texts(&given["Resource"]),
            conditions: conditions.collect(),
        }
    }

    /// Whether this statement is about a call.
    #[must_use]
    pub fn covers(&self, call: &Call) -> bool {
        let action = call.action.to_lowercase();
        self.actions.iter().any(|pattern| is_like(&action, &pattern.to_lowercase()))
            && self.resources.iter().any(|pattern| is_like(&call.resource, pattern))
            && self.conditions.iter().all(|condition| condition.holds(call))
    }
}

impl Condition {
    fn holds(&self, call: &Call) -> bool {
        let said = call.context.get(&self.key).map_or(&[][..], Vec::as_slice);
        let is_one = |value: &String, is_like: &dyn Fn(&str, &str) -> bool| {
            self.values.iter().any(|pattern| is_like(value, pattern))
        };
        let equals = |value: &str, pattern: &str| value == pattern;
        match &*self.operator {
            // Holds for what says nothing of the key: so an action that says nothing, such as Scan,
            // must not be granted by it.
            "ForAllValues:StringLike" => said.iter().all(|value| is_one(value, &is_like)),
            "ForAllValues:StringEquals" => said.iter().all(|value| is_one(value, &equals)),
            "StringLike" => said.len() == 1 && is_one(&said[0], &is_like),
            "StringEquals" => said.len() == 1 && is_one(&said[0], &equals),
            _ => false,
        }
    }
}

/// Decides: the statement that allows a call, or why it is refused.
///
/// # Errors
/// The words of the refusal.
pub fn decide<'a>(statements: &'a [Statement], call: &Call) -> Result<&'a Statement, String> {
    let about = |allows: bool| {
        statements.iter().find(|statement| statement.allows == allows && statement.covers(call))
    };
    let Call { action, resource, context } = call;
    match (about(false), about(true)) {
        (Some(_), _) => Err(format!("an explicit deny of {action} on {resource}")),
        (None, Some(statement)) => Ok(statement),
        (None, None) => Err(format!("no statement allows {action} on {resource} with {context:?}")),
    }
}

/// Whether a text is like a pattern: `*` stands for any characters, `?` for one.
#[must_use]
pub fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut of) = (0, 0);
    // Where the last `*` stands, and how far it reaches in the text.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(of) {
            Some('*') => {
                star = Some((of, at));
                of += 1;
            }
            Some(one) if *one == '?' || *one == text[at] => {
                (at, of) = (at + 1, of + 1);
            }
            _ => match star {
                Some((position, reach)) => {
                    star = Some((position, reach + 1));
                    (at, of) = (reach + 1, position + 1);
                }
                None => return false,
            },
        }
    }
    pattern[of..].iter().all(|one| *one == '*')
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn role() -> Vec<Statement> {
        [
            json!({"Sid": "Own", "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Put*"],
                "Resource": "arn:table", "Condition": {
                    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["order#*", "cart#?"]}}}),
            json!({"Sid": "Send", "Effect": "Allow", "Action": "sqs:SendMessage",
                "Resource": ["arn:queue:a", "arn:queue:b"]}),
            json!({"Sid": "Mail", "Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*",
                "Condition": {"StringEquals": {"ses:FromAddress": "a@b"}}}),
            json!({"Sid": "Odd", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
                "Condition": {"NumericLessThan": {"s3:max-keys": 10}}}),
            json!({"Sid": "Never", "Effect": "Deny", "Action": "*", "Resource": "arn:queue:b"}),
        ]
        .iter()
        .map(Statement::read)
        .collect()
    }

    fn check(action: &str, resource: &str, context: &[(&str, &[&str])], by: Option<&str>) {
        let mut call = Call::new(action, resource);
        for (key, values) in context {
            call = call.with(key, values.iter().map(|value| (*value).to_owned()).collect());
        }
        let role = role();
        let decided = decide(&role, &call).ok().map(|statement| &*statement.sid);
        assert_eq!(decided, by, "{call:?}");
    }

    #[test]
    fn a_call_is_allowed_by_the_statement_that_covers_it() {
        let keys = |keys: &'static [&'static str]| [("dynamodb:LeadingKeys", keys)];
        check("dynamodb:GetItem", "arn:table", &keys(&["order#1"]), Some("Own"));
        check("dynamodb:PutItem", "arn:table", &keys(&["order#1", "cart#2"]), Some("Own"));
        check("DynamoDB:getitem", "arn:table", &keys(&["order#1"]), Some("Own"));
        check("dynamodb:GetItem", "arn:table", &keys(&["order#1", "user#1"]), None);
        check("dynamodb:GetItem", "arn:table", &keys(&["cart#12"]), None);
        check("dynamodb:GetItem", "arn:table/index/x", &keys(&["order#1"]), None);
        check("dynamodb:Query", "arn:table", &keys(&["order#1"]), None);
        check("sqs:SendMessage", "arn:queue:a", &[], Some("Send"));
        check("sqs:SendMessage", "arn:queue:c", &[], None);
        check("ses:SendEmail", "arn:any", &[("ses:FromAddress", &["a@b"])], Some("Mail"));
        check("ses:SendEmail", "arn:any", &[("ses:FromAddress", &["x@b"])], None);
        check("ses:SendEmail", "arn:any", &[], None);
    }

    #[test]
    fn what_is_denied_is_refused_although_it_is_allowed() {
        check("sqs:SendMessage", "arn:queue:b", &[], None);
    }

    #[test]
    fn a_condition_that_is_not_known_lets_nothing_through() {
        check("s3:GetObject", "arn:any", &[("s3:max-keys", &["1"])], None);
    }

    proptest! {
        #[test]
        fn a_text_is_like_itself_and_like_whatever_has_a_star_in_its_place(
            text in "[a-c#*?]{0,12}", from in 0_usize..12, to in 0_usize..12,
        ) {
            let plain: String = text.chars().filter(|c| !"*?".contains(*c)).collect();
            prop_assert!(is_like(&plain, &plain));
            prop_assert!(is_like(&text, "*"));
            let (from, to) = (from.min(to).min(plain.len()), from.max(to).min(plain.len()));
            let pattern = format!("{}*{}", &plain[..from], &plain[to..]);
            prop_assert!(is_like(&plain, &pattern), "{plain} {pattern}");
        }

        #[test]
        fn a_pattern_without_wildcards_is_like_itself_only(text in "[a-c]{0,6}", other in "[a-c]{0,6}") {
            prop_assert_eq!(is_like(&text, &other), text == other);
        }

        #[test]
        fn another_allowing_statement_never_takes_away_what_was_allowed(
            action in "(a|b):[x-z]", resource in "[p-r]{1,3}", more in "[a-b]:[x-z]",
        ) {
            let allow = |action: &str, resource: &str| Statement::read(&json!({
                "Effect": "Allow", "Action": action, "Resource": resource}));
            let call = Call::new(&action, resource.clone());
            let role = vec![allow(&action, &resource)];
            prop_assert!(decide(&role, &call).is_ok());
            let role = [role, vec![allow(&more, "*")]].concat();
            prop_assert!(decide(&role, &call).is_ok());
        }
    }
}
