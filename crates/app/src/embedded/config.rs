//! Settings: flag beats environment beats file beats default; every problem is said at once.
//!
//! This is the only place of `saga up` that reads the environment or a configuration file.

mod integrations;
mod limits;

pub use crate::http::layers::RequestLimits;
pub use crate::problems::Problems;
pub use integrations::Integrations;

use aws_api::Credentials;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The annotated file: every key with its default.
pub const ANNOTATED: &str = include_str!("ordersaga.toml");
/// The file that is read when no other is named, if it exists.
const FILE: &str = "ordersaga.toml";
/// What the name of an environment variable begins with.
const ENV_PREFIX: &str = "ORDERSAGA_";
/// The variable that names the file.
const ENV_CONFIG: &str = "ORDERSAGA_CONFIG";
/// What names a running system to the operators' commands: no setting of a system.
const ENV_URL: &str = "ORDERSAGA_URL";

/// The longest a call of the gateway may be waited for; a saga's task gives up after 30 s.
const GATEWAY_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 10..=9_000;

/// How log lines are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The settings of a running system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the HTTP API listens.
    pub listen: SocketAddr,
    /// Where the sandbox payment gateway listens.
    pub gateway_listen: SocketAddr,
    /// Where the payment gateway is; the system runs a sandbox of its own without.
    pub gateway_url: Option<String>,
    /// The file with the key that is sent to the payment gateway, if it asks for one.
    pub gateway_key_file: Option<PathBuf>,
    /// Where the AWS API listens, if it does.
    pub aws_listen: Option<SocketAddr>,
    /// Whose signatures the AWS API accepts; anybody on this machine may call it without.
    pub aws_credentials: Option<Credentials>,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Whether an empty store is filled with a small shop.
    pub demo: bool,
    /// How long a call of the gateway may take.
    pub gateway_timeout: Duration,
    /// How much one caller, tenant or route may ask.
    pub limits: RequestLimits,
    /// What a Task state can call beside our services.
    pub integrations: Integrations,
    /// Which log lines are shown.
    pub log: String,
    /// How they are shown.
    pub log_format: LogFormat,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
enum Origin {
    Flag(&'static str),
    Env(String),
    File(PathBuf),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(key) => write!(f, "--{}", key.replace('_', "-")),
            Self::Env(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// Values by key, the strongest source last, and the sections of the file.
#[derive(Default)]
struct Values {
    values: BTreeMap<String, (String, Origin)>,
    sections: BTreeMap<String, (toml::Table, Origin)>,
    problems: Vec<String>,
}

impl Config {
    /// Reads the settings: `flags` are the ones given on the command line, by key.
    ///
    /// # Errors
    /// Every problem of every source.
    pub fn load(flags: &[(&'static str, String)], file: Option<&Path>) -> Result<Self, Problems> {
        Self::from_sources(
            flags,
            file,
            std::env::vars_os().filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.into_string().ok()?))
            }),
        )
    }

    /// The defaults, but for these settings: reads neither the environment nor a file, as a test
    /// wants it whose own variables are none of a system's.
    ///
    /// # Errors
    /// Every problem of the settings.
    pub fn of(settings: &[(&'static str, String)]) -> Result<Self, Problems> {
        let mut values = Values::default();
        let known = values.defaults();
        values.flags(&known, settings);
        values.finish(&BTreeMap::new())
    }

    fn from_sources(
        flags: &[(&'static str, String)],
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let mut values = Values::default();
        let known = values.defaults();
        let env: BTreeMap<String, String> = env.collect();
        let named = env.get(ENV_CONFIG).map(PathBuf::from);
        values.read_file(file.map(Path::to_owned).or(named), &known);
        let ours = env.iter().filter(|(name, _)| name.starts_with(ENV_PREFIX));
        for (name, value) in ours.filter(|(name, _)| ![ENV_CONFIG, ENV_URL].contains(&&***name)) {
            let key = name.trim_start_matches(ENV_PREFIX).to_lowercase();
            values.set(&known, &key, value, Origin::Env(name.clone()));
        }
        values.flags(&known, flags);
        values.finish(&env)
    }
}

impl Values {
    /// Takes the defaults; answers what there is to set.
    fn defaults(&mut self) -> Vec<String> {
        self.file(ANNOTATED, &Origin::Default);
        self.values.keys().cloned().collect()
    }

    fn flags(&mut self, known: &[String], flags: &[(&'static str, String)]) {
        for (key, value) in flags {
            self.set(known, key, value, Origin::Flag(key));
        }
    }

    fn read_file(&mut self, named: Option<PathBuf>, known: &[String]) {
        let path = named.clone().unwrap_or_else(|| FILE.into());
        if named.is_none() && !path.exists() {
            return;
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                self.file(&text, &Origin::File(path));
                let unknown: Vec<_> =
                    self.values.keys().filter(|key| !known.contains(key)).cloned().collect();
                for key in unknown {
                    if let Some((_, origin)) = self.values.remove(&key) {
                        self.unknown(known, &key, &origin);
                    }
                }
            }
            Err(error) => self.problems.push(format!("{}: {error}", path.display())),
        }
    }

    fn file(&mut self, text: &str, origin: &Origin) {
        match text.parse::<toml::Table>() {
            Ok(table) => {
                for (key, value) in table {
                    let text = match value {
                        toml::Value::Table(table) if integrations::SECTIONS.contains(&&*key) => {
                            self.sections.insert(key, (table, origin.clone()));
                            continue;
                        }
                        toml::Value::String(text) => text,
                        other => other.to_string(),
                    };
                    self.values.insert(key, (text, origin.clone()));
                }
            }
            Err(error) => self.problems.push(format!("{origin}: {error}")),
        }
    }

    fn set(&mut self, known: &[String], key: &str, value: &str, origin: Origin) {
        if known.iter().any(|known| known == key) {
            self.values.insert(key.to_owned(), (value.to_owned(), origin));
        } else {
            self.unknown(known, key, &origin);
        }
    }

    fn unknown(&mut self, known: &[String], key: &str, origin: &Origin) {
        let known = known.join(", ");
        self.problems.push(format!("{origin}: `{key}` is not a setting; settings are: {known}"));
    }

    /// Takes a value and checks it by `rule`.
    fn take<T>(&mut self, key: &str, rule: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let (text, origin) = self.values.get(key)?;
        rule(text)
            .map_err(|why| self.problems.push(format!("{origin}: {key} = `{text}` {why}")))
            .ok()
    }

    fn finish(mut self, env: &BTreeMap<String, String>) -> Result<Config, Problems> {
        let listen = self.take("listen", address);
        let gateway_listen = self.take("gateway_listen", address);
        let gateway_url = self.take("gateway_url", gateway_url);
        let gateway_key_file = self.take("gateway_key_file", key_file);
        let aws = self.aws();
        let data_dir = self.take("data_dir", |text| match text {
            "" => Err("must name a directory".to_owned()),
            text => Ok(PathBuf::from(text)),
        });
        let demo = self.take("demo", |text| {
            bool::from_str(text).map_err(|_| "must be true or false".to_owned())
        });
        let gateway_timeout = self.take("gateway_timeout_ms", |text| {
            let millis = text.parse().ok().filter(|millis| GATEWAY_TIMEOUT_MS.contains(millis));
            let (min, max) = (GATEWAY_TIMEOUT_MS.start(), GATEWAY_TIMEOUT_MS.end());
            millis.map(Duration::from_millis).ok_or_else(|| format!("must be {min} to {max}"))
        });
        let limits = self.limits();
        let log = self.take("log", |text| {
            text.parse::<tracing_subscriber::EnvFilter>()
                .map(|_| text.to_owned())
                .map_err(|error| format!("is not a filter: {error}"))
        });
        let log_format = self.take("log_format", |text| match text {
            "auto" => Ok(LogFormat::Auto),
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("must be auto, text or json".to_owned()),
        });
        let mut reader = integrations::Reader { env, problems: &mut self.problems };
        let integrations = reader.read(&self.sections);
        let config = || {
            let (aws_listen, aws_credentials) = aws?;
            Some(Config {
                listen: listen?,
                gateway_listen: gateway_listen?,
                gateway_url: gateway_url?,
                gateway_key_file: gateway_key_file?,
                aws_listen,
                aws_credentials,
                data_dir: data_dir?,
                demo: demo?,
                gateway_timeout: gateway_timeout?,
                limits: limits?,
                integrations,
                log: log?,
                log_format: log_format?,
            })
        };
        config().filter(|_| self.problems.is_empty()).ok_or(Problems(self.problems))
    }
}

impl Values {
    /// Where the AWS API listens, and with which credentials.
    fn aws(&mut self) -> Option<(Option<SocketAddr>, Option<Credentials>)> {
        let key = self.take("aws_access_key_id", |text| Ok(text.to_owned()))?;
        let secret = self.take("aws_secret_access_key", |text| Ok(text.to_owned()))?;
        let credentials = match (key.is_empty(), secret.is_empty()) {
            (true, true) => None,
            (false, false) => Some(Credentials { access_key_id: key, secret_access_key: secret }),
            (true, false) | (false, true) => {
                let both = "aws_access_key_id and aws_secret_access_key go together: set both";
                self.problems.push(both.to_owned());
                return None;
            }
        };
        let is_guarded = credentials.is_some();
        let listen = self.take("aws_listen", |text| match text {
            "off" => Ok(None),
            text => match address(text) {
                Ok(open) if !open.ip().is_loopback() && !is_guarded => {
                    Err("can be reached from other machines: set aws_access_key_id and \
                     aws_secret_access_key too, so that signatures are checked"
                        .to_owned())
                }
                Ok(address) => Ok(Some(address)),
                Err(why) => Err(format!("{why}, or off")),
            },
        })?;
        Some((listen, credentials))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an address and a port, like 127.0.0.1:8080".to_owned())
}

/// An address, or nothing.
fn gateway_url(text: &str) -> Result<Option<String>, String> {
    let url = || ::integrations::Url::parse(text).ok();
    let is_usable = |url: ::integrations::Url| {
        matches!(url.scheme(), "http" | "https") && url.query().is_none()
    };
    match text {
        "" => Ok(None),
        text if url().is_some_and(is_usable) => Ok(Some(text.to_owned())),
        _ => Err("must be a URL like http://127.0.0.1:8090".to_owned()),
    }
}

/// A file that holds a secret, or nothing.
fn key_file(text: &str) -> Result<Option<PathBuf>, String> {
    let path = PathBuf::from(text);
    let name = path.file_name().and_then(|name| name.to_str());
    match (text, name) {
        ("", _) => Ok(None),
        (_, Some(name)) if ports::secrets::is_name(name) => Ok(Some(path)),
        (_, Some(_) | None) => Err("must name a file, in letters, digits and ._-".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn load(
        flags: &[(&'static str, &str)],
        env: &[(&str, &str)],
    ) -> Result<Config, Problems> {
        let flags: Vec<_> = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_sources(&flags, None, env)
    }

    #[test]
    fn no_setting_is_needed() {
        let config = load(&[], &[]).unwrap();
        assert_eq!(config.listen.port(), 8080);
        assert_eq!(config.gateway_listen.port(), 8090);
        assert!(!config.demo);
    }

    #[test]
    fn a_flag_beats_the_environment() {
        let env = [
            ("ORDERSAGA_LISTEN", "127.0.0.1:1"),
            ("ORDERSAGA_DEMO", "true"),
            // Of the operators' commands: no setting.
            ("ORDERSAGA_URL", "http://127.0.0.1:8080"),
        ];
        let config = load(&[("listen", "127.0.0.1:2")], &env).unwrap();
        assert_eq!((config.listen.port(), config.demo), (2, true));
    }

    #[test]
    fn the_aws_api_is_for_this_machine_unless_signatures_are_checked() {
        let open = ("aws_listen", "0.0.0.0:4566");
        let Problems(problems) = load(&[open], &[]).unwrap_err();
        assert!(problems[0].contains("set aws_access_key_id"), "{problems:?}");
        let env = [("ORDERSAGA_AWS_ACCESS_KEY_ID", "k"), ("ORDERSAGA_AWS_SECRET_ACCESS_KEY", "s")];
        let config = load(&[open], &env).unwrap();
        assert!(config.aws_listen.is_some() && config.aws_credentials.is_some());
        assert!(load(&[], &env[..1]).is_err(), "a key without its secret");
        assert_eq!(load(&[("aws_listen", "off")], &[]).unwrap().aws_listen, None);
        assert_eq!(load(&[], &[]).unwrap().aws_listen.unwrap().port(), 4566);
    }

    #[test]
    fn a_gateway_that_runs_by_itself_is_named_by_its_address() {
        assert_eq!(load(&[], &[]).unwrap().gateway_url, None);
        let config = load(&[("gateway_url", "http://pay:8090")], &[]).unwrap();
        assert_eq!(config.gateway_url.as_deref(), Some("http://pay:8090"));
        let config = load(&[("gateway_url", "https://pay.example/v1")], &[]).unwrap();
        assert_eq!(config.gateway_url.as_deref(), Some("https://pay.example/v1"));
        for wrong in ["pay:8090", "ftp://pay", "http://pay/?a=b", "127.0.0.1:1"] {
            let Problems(problems) = load(&[("gateway_url", wrong)], &[]).unwrap_err();
            assert!(problems[0].contains("must be a URL"), "{wrong}: {problems:?}");
        }
    }

    #[test]
    fn the_gateways_key_is_named_by_its_file_only() {
        assert_eq!(load(&[], &[]).unwrap().gateway_key_file, None);
        let config = load(&[], &[("ORDERSAGA_GATEWAY_KEY_FILE", "/run/secrets/gateway")]).unwrap();
        assert_eq!(config.gateway_key_file, Some("/run/secrets/gateway".into()));
        assert!(load(&[("gateway_key_file", "/")], &[]).is_err());
    }

    #[test]
    fn every_problem_is_said_with_its_origin() {
        let env = [("ORDERSAGA_LISTEN", "here"), ("ORDERSAGA_LISTN", "x"), ("HOME", "/")];
        let Problems(problems) = load(&[("gateway_timeout_ms", "0")], &env).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems.iter().any(|p| p.starts_with("ORDERSAGA_LISTEN: listen = `here`")));
        assert!(
            problems.iter().any(|p| p.starts_with("ORDERSAGA_LISTN: `listn` is not a setting"))
        );
        assert!(problems.iter().any(|p| p.starts_with("--gateway-timeout-ms: ")));
    }
}
