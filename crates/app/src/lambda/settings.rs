//! The settings of a function: environment variables, as the template sets them.
//!
//! | variable | what it says | who has it |
//! |---|---|---|
//! | `ORDERSAGA_ROLE` | `api`, `tasks` or `events` | everybody |
//! | `ORDERSAGA_TABLE` | the table's name | who reads or writes aggregates |
//! | `ORDERSAGA_BUS` | the event bus's name | the relay |
//! | `ORDERSAGA_PLACE_ORDER_MACHINE`, `ORDERSAGA_CANCEL_ORDER_MACHINE` | ARNs of state machines | who starts sagas |
//! | `ORDERSAGA_GATEWAY_URL` | where the payment gateway is | who moves money or reads the gateway's books |
//! | `ORDERSAGA_GATEWAY_SECRET` | ARN of the secret with the gateway's key | as before |
//! | `ORDERSAGA_GATEWAY_TIMEOUT_MS` | how long a call of the gateway may take, default 3000 | as before |
//! | `ORDERSAGA_MAIL_FROM` | whom mails are from | who sends mails |
//! | `ORDERSAGA_CACHE_URL` | a Redis, such as `redis://cache:6379/0`, by default none | who reads prices |
//! | `ORDERSAGA_NEW_KEYS_PER_DAY` | new idempotency keys a day of one principal, or `off`; default 5000000 | who answers requests with a key |
//! | `ORDERSAGA_LOG` | which log lines are written, default `info` | everybody |
//! | `AWS_LAMBDA_LOG_LEVEL` | how much log lines may say at most; Lambda sets it | everybody |
//! | `ORDERSAGA_METRICS_NAMESPACE` | under which name metrics are listed, default `Ordersaga` | everybody |
//! | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | where and as whom AWS is called; Lambda sets them | everybody |
//! | `AWS_ENDPOINT_URL` | one address for all of AWS's services, by default each one's own | a counterpart of AWS |
//!
//! Owns: reading the environment, and saying all that is wrong with it at once; nothing else in a
//! function reads it but Lambda's own runtime.

use crate::problems::Problems;
use adapter_aws::{Access, Keys};
use std::collections::BTreeMap;
use std::time::Duration;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// The longest a call of the gateway may be waited for, in milliseconds: a task has more time.
const GATEWAY_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 10..=9_000;
/// What is wrong there may be a secret, put where its name belongs.
const NOT_SHOWN: [&str; 3] =
    ["ORDERSAGA_GATEWAY_URL", "ORDERSAGA_GATEWAY_SECRET", "ORDERSAGA_CACHE_URL"];
/// An e-mail address is shorter (RFC 5321).
const ADDRESS_BYTES_MAX: usize = 254;

/// The environment, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Env {
    values: BTreeMap<String, String>,
    problems: Vec<String>,
}

/// The state machines, by ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machines {
    /// Places an order.
    pub place_order: String,
    /// Cancels a confirmed one.
    pub cancel_order: String,
}

/// Where the payment gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its address.
    pub url: String,
    /// The ARN of the secret that holds its key.
    pub secret: String,
    /// How long a call may take until its outcome is unknown.
    pub timeout: Duration,
}

/// What is written down about a function's work.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Which log lines are written.
    pub log: Targets,
    /// No line is written that says more than this, whatever the filter says.
    pub level: LevelFilter,
    /// Under which name metrics are listed.
    pub namespace: String,
}

impl Env {
    /// The environment of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let texts = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        std::env::vars_os().filter_map(texts).collect()
    }

    /// Ends the reading: what was made of the environment, if nothing is wrong with it.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn finish<T>(self, made: Option<T>) -> Result<T, Problems> {
        made.filter(|_| self.problems.is_empty()).ok_or(Problems(self.problems))
    }

    /// Takes note of something that is wrong with a variable.
    pub fn problem(&mut self, name: &str, why: impl std::fmt::Display) {
        self.problems.push(format!("{name} {why}"));
    }

    /// Reads the role by `rule`, which says what is wrong with it.
    pub fn role<T>(&mut self, rule: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.required("ORDERSAGA_ROLE", rule)
    }

    /// Reads where AWS is called, and as whom.
    ///
    /// Lambda gives credentials here and nowhere else, and they outlive the process.
    pub fn access(&mut self) -> Option<Access> {
        let region = self.required("AWS_REGION", text);
        let id = self.required("AWS_ACCESS_KEY_ID", text);
        let session_token = self.values.get("AWS_SESSION_TOKEN").cloned();
        let endpoint = self.optional("AWS_ENDPOINT_URL", "", |text| match text {
            "" => Ok(None),
            text => url(text).map(Some),
        });
        // It is not read by a rule, whose complaint would quote it.
        let secret = self.values.get("AWS_SECRET_ACCESS_KEY").cloned();
        if secret.is_none() {
            self.problem("AWS_SECRET_ACCESS_KEY", "must be set");
        }
        let keys = Keys { id: id?, secret: secret?, session_token };
        Some(Access { region: region?, keys, endpoint: endpoint? })
    }

    /// Reads the table's name.
    pub fn table(&mut self) -> Option<String> {
        self.required("ORDERSAGA_TABLE", text)
    }

    /// Reads the event bus's name.
    pub fn bus(&mut self) -> Option<String> {
        self.required("ORDERSAGA_BUS", text)
    }

    /// Reads the state machines' ARNs.
    pub fn machines(&mut self) -> Option<Machines> {
        let place_order = self.required("ORDERSAGA_PLACE_ORDER_MACHINE", machine);
        let cancel_order = self.required("ORDERSAGA_CANCEL_ORDER_MACHINE", machine);
        Some(Machines { place_order: place_order?, cancel_order: cancel_order? })
    }

    /// Reads where the payment gateway is.
    pub fn gateway(&mut self) -> Option<Gateway> {
        let url = self.required("ORDERSAGA_GATEWAY_URL", url);
        let secret = self.required("ORDERSAGA_GATEWAY_SECRET", secret);
        let timeout = self.optional("ORDERSAGA_GATEWAY_TIMEOUT_MS", "3000", |text| {
            let millis = text.parse().ok().filter(|millis| GATEWAY_TIMEOUT_MS.contains(millis));
            let (min, max) = (GATEWAY_TIMEOUT_MS.start(), GATEWAY_TIMEOUT_MS.end());
            millis.map(Duration::from_millis).ok_or_else(|| format!("must be {min} to {max}"))
        });
        Some(Gateway { url: url?, secret: secret?, timeout: timeout? })
    }

    /// Reads whom mails are from.
    pub fn mail_from(&mut self) -> Option<String> {
        self.required("ORDERSAGA_MAIL_FROM", |text| match text.split_once('@') {
            Some((local, domain))
                if !local.is_empty() && !domain.is_empty() && text.len() <= ADDRESS_BYTES_MAX =>
            {
                Ok(text.to_owned())
            }
            Some(_) | None => Err("must be an e-mail address".to_owned()),
        })
    }

    /// Reads where a cache is; `None` inside: there is none.
    pub fn cache_url(&mut self) -> Option<Option<String>> {
        self.optional("ORDERSAGA_CACHE_URL", "", |text| match text {
            "" => Ok(None),
            text => cache(text).map(Some),
        })
    }

    /// Reads how many new idempotency keys a principal may use in a day; `None` inside: any number.
    pub fn new_keys_per_day(&mut self) -> Option<Option<u32>> {
        self.optional("ORDERSAGA_NEW_KEYS_PER_DAY", "5000000", |text| match text {
            "off" => Ok(None),
            text => match text.parse() {
                Ok(limit) if limit > 0 => Ok(Some(limit)),
                Ok(_) | Err(_) => Err("must be a number from 1 to 4294967295, or off".to_owned()),
            },
        })
    }

    /// Reads what the function is called; where Lambda does not say it, that is nothing.
    pub fn function(&self) -> String {
        self.values.get("AWS_LAMBDA_FUNCTION_NAME").cloned().unwrap_or_default()
    }

    /// Reads what is to be written down about the function's work.
    pub fn telemetry(&mut self) -> Option<Telemetry> {
        let log = self.optional("ORDERSAGA_LOG", "info", |text| {
            text.parse().map_err(|error| format!("is not a filter: {error}"))
        });
        let namespace = self.optional("ORDERSAGA_METRICS_NAMESPACE", "Ordersaga", text);
        let level = self.optional("AWS_LAMBDA_LOG_LEVEL", "trace", |text| {
            // Lambda knows one level more: nothing of ours is fatal and no error.
            let level = if text.eq_ignore_ascii_case("fatal") { "error" } else { text };
            level.parse().map_err(|_| "is no level".to_owned())
        });
        Some(Telemetry { log: log?, level: level?, namespace: namespace? })
    }

    fn required<T>(
        &mut self,
        name: &str,
        rule: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(value) = self.values.get(name).cloned() else {
            self.problem(name, "must be set");
            return None;
        };
        self.read(name, &value, rule)
    }

    fn optional<T>(
        &mut self,
        name: &str,
        default: &str,
        rule: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.values.get(name).cloned().unwrap_or_else(|| default.to_owned());
        self.read(name, &value, rule)
    }

    fn read<T>(
        &mut self,
        name: &str,
        value: &str,
        rule: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let shown = match NOT_SHOWN.contains(&name) {
            true => String::new(),
            false => format!("= `{value}` "),
        };
        rule(value).map_err(|why| self.problem(name, format_args!("{shown}{why}"))).ok()
    }
}

impl FromIterator<(String, String)> for Env {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { values: variables.into_iter().collect(), problems: Vec::new() }
    }
}

fn text(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must not be empty".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// A state machine's ARN: `arn:aws:states:eu-central-1:123456789012:stateMachine:place-order`.
fn machine(text: &str) -> Result<String, String> {
    arn(text, "states", "arn:aws:states:<region>:<account>:stateMachine:<name>")
}

/// A secret's ARN; the secret itself must not stand in a variable.
fn secret(text: &str) -> Result<String, String> {
    arn(text, "secretsmanager", "arn:aws:secretsmanager:<region>:<account>:secret:<name>")
}

fn arn(text: &str, service: &str, example: &str) -> Result<String, String> {
    let mut fields = text.split(':');
    let is_arn = fields.next() == Some("arn")
        && fields.next().is_some_and(|partition| partition.starts_with("aws"))
        && fields.next() == Some(service)
        && fields.count() >= 4;
    is_arn.then(|| text.to_owned()).ok_or_else(|| format!("must be an ARN like {example}"))
}

fn url(text: &str) -> Result<String, String> {
    let uri: Option<http::Uri> = text.parse().ok();
    let is_usable = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("https" | "http"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
    });
    is_usable
        .then(|| text.to_owned())
        .ok_or_else(|| "must be a URL like https://host.example.com".to_owned())
}

/// A Redis; a password must not stand in a variable, and nothing else is told by a user.
fn cache(text: &str) -> Result<String, String> {
    let uri: Option<http::Uri> = text.parse().ok();
    let is_usable = uri.is_some_and(|uri| {
        uri.scheme_str() == Some("redis")
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
    });
    is_usable
        .then(|| text.to_owned())
        .ok_or_else(|| "must be a URL like redis://cache:6379/0, without a password".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_cache_is_named_without_a_password_or_not_at_all() {
        let read = |url: &str| env(&[("ORDERSAGA_CACHE_URL", url)]).cache_url();
        assert_eq!(env(&[]).cache_url(), Some(None));
        let url = "redis://cache.internal:6379/0";
        assert_eq!(read(url), Some(Some(url.to_owned())));
        for wrong in ["cache:6379", "http://cache", "rediss://cache", "redis://:word@cache"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_problem_is_said_at_once_and_names_its_variable() {
        let mut env = env(&[
            ("ORDERSAGA_PLACE_ORDER_MACHINE", "place-order"),
            ("ORDERSAGA_GATEWAY_URL", "https://shop:hush@pay.example.com"),
            ("ORDERSAGA_GATEWAY_SECRET", "hush"),
            ("ORDERSAGA_CACHE_URL", "redis://:hush@cache"),
            ("ORDERSAGA_GATEWAY_TIMEOUT_MS", "0"),
            ("ORDERSAGA_MAIL_FROM", "nobody"),
            ("ORDERSAGA_LOG", "a=b=c"),
            ("ORDERSAGA_NEW_KEYS_PER_DAY", "0"),
            ("ORDERSAGA_BUS", " "),
        ]);
        let read = (env.table(), env.bus(), env.machines(), env.gateway(), env.mail_from());
        assert_eq!(read, (None, None, None, None, None));
        assert!(env.telemetry().is_none() && env.new_keys_per_day().is_none());
        assert_eq!(env.cache_url(), None);
        let Problems(problems) = env.finish(Some(())).unwrap_err();
        let names: Vec<&str> = problems.iter().filter_map(|p| p.split(' ').next()).collect();
        assert!(!problems.concat().contains("hush"), "a secret is told: {problems:?}");
        assert_eq!(
            names,
            [
                "ORDERSAGA_TABLE",
                "ORDERSAGA_BUS",
                "ORDERSAGA_PLACE_ORDER_MACHINE",
                "ORDERSAGA_CANCEL_ORDER_MACHINE",
                "ORDERSAGA_GATEWAY_URL",
                "ORDERSAGA_GATEWAY_SECRET",
                "ORDERSAGA_GATEWAY_TIMEOUT_MS",
                "ORDERSAGA_MAIL_FROM",
                "ORDERSAGA_LOG",
                "ORDERSAGA_NEW_KEYS_PER_DAY",
                "ORDERSAGA_CACHE_URL",
            ]
        );
    }

    #[test]
    fn where_aws_is_comes_from_lambda_and_no_secret_is_told() {
        let given = [
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
            ("AWS_SESSION_TOKEN", "hush"),
        ];
        let access = env(&given).access().unwrap();
        assert_eq!((&*access.region, access.endpoint.as_deref()), ("eu-west-1", None));
        assert!(!format!("{access:?}").contains("hush"), "{access:?}");
        let mut env = env(&[("AWS_SECRET_ACCESS_KEY", "hush"), ("AWS_ENDPOINT_URL", "here")]);
        assert_eq!(env.access(), None);
        let Problems(problems) = env.finish(Some(())).unwrap_err();
        assert_eq!(
            problems,
            [
                "AWS_REGION must be set",
                "AWS_ACCESS_KEY_ID must be set",
                "AWS_ENDPOINT_URL = `here` must be a URL like https://host.example.com",
            ]
        );
    }

    #[test]
    fn lambda_s_levels_are_known_and_only_they_are() {
        for (set, level) in [
            ("DEBUG", Some(LevelFilter::DEBUG)),
            ("warn", Some(LevelFilter::WARN)),
            ("FATAL", Some(LevelFilter::ERROR)),
            ("loud", None),
        ] {
            let mut env = env(&[("AWS_LAMBDA_LOG_LEVEL", set)]);
            assert_eq!(env.telemetry().map(|telemetry| telemetry.level), level, "{set}");
        }
    }

    #[test]
    fn what_a_template_sets_is_read() {
        let arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:place-order";
        let secret = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:gateway-AbCdEf";
        let mut env = env(&[
            ("ORDERSAGA_PLACE_ORDER_MACHINE", arn),
            ("ORDERSAGA_CANCEL_ORDER_MACHINE", arn),
            ("ORDERSAGA_GATEWAY_URL", "https://pay.example.com/v1"),
            ("ORDERSAGA_GATEWAY_SECRET", secret),
            ("ORDERSAGA_MAIL_FROM", "shop@example.com"),
        ]);
        assert_eq!(env.machines().map(|machines| machines.place_order).as_deref(), Some(arn));
        let gateway = env.gateway().unwrap();
        assert_eq!((&*gateway.secret, gateway.timeout), (secret, Duration::from_secs(3)));
        assert_eq!(env.mail_from().as_deref(), Some("shop@example.com"));
        assert_eq!(env.new_keys_per_day(), Some(Some(5_000_000)));
        let telemetry = env.telemetry().unwrap();
        assert_eq!((&*telemetry.namespace, telemetry.level), ("Ordersaga", LevelFilter::TRACE));
        assert_eq!(env.finish(Some(7)), Ok(7));
    }
}
