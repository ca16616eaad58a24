//! Names as EventBridge writes them: ARNs of buses, rules, archives, replays and targets.

use contracts::envelope::DEFAULT_BUS;

/// Where a bus stands: what every ARN of it says, and every event it delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
}

impl Default for Home {
    /// The account that nobody bills for, in the region that clients ask for when told nothing.
    fn default() -> Self {
        Self { account: "000000000000".to_owned(), region: "us-east-1".to_owned() }
    }
}

impl Home {
    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:events:{}:{}:{resource}", self.region, self.account)
    }

    /// The ARN of an event bus.
    #[must_use]
    pub fn bus(&self, name: &str) -> String {
        self.arn(&format!("event-bus/{name}"))
    }

    /// The ARN of a rule; a rule of the default bus does not name its bus.
    #[must_use]
    pub fn rule(&self, bus: &str, name: &str) -> String {
        if bus == DEFAULT_BUS {
            self.arn(&format!("rule/{name}"))
        } else {
            self.arn(&format!("rule/{bus}/{name}"))
        }
    }

    /// The ARN of an archive.
    #[must_use]
    pub fn archive(&self, name: &str) -> String {
        self.arn(&format!("archive/{name}"))
    }

    /// The ARN of a replay.
    #[must_use]
    pub fn replay(&self, name: &str) -> String {
        self.arn(&format!("replay/{name}"))
    }
}

/// Something of EventBridge's that an ARN names, whatever its region and account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// An event bus.
    Bus(String),
    /// A rule of a bus.
    Rule {
        /// The bus.
        bus: String,
        /// The rule.
        name: String,
    },
    /// An archive.
    Archive(String),
    /// A replay.
    Replay(String),
}

impl Named {
    /// Reads an ARN; `None` when it names nothing of EventBridge's.
    #[must_use]
    pub fn read(arn: &str) -> Option<Self> {
        let (kind, name) = resource(arn, "events")?.split_once('/')?;
        if name.is_empty() {
            return None;
        }
        match kind {
            "event-bus" => Some(Self::Bus(name.to_owned())),
            "rule" => {
                let (bus, name) = name.rsplit_once('/').unwrap_or((DEFAULT_BUS, name));
                Some(Self::Rule { bus: bus.to_owned(), name: name.to_owned() })
            }
            "archive" => Some(Self::Archive(name.to_owned())),
            "replay" => Some(Self::Replay(name.to_owned())),
            _ => None,
        }
    }
}

/// The name of the bus that a name or an ARN means; absent means the default bus.
#[must_use]
pub fn bus_named(name_or_arn: Option<&str>) -> String {
    match name_or_arn {
        None => DEFAULT_BUS.to_owned(),
        Some(text) => match Named::read(text) {
            Some(Named::Bus(name)) => name,
            Some(Named::Rule { .. } | Named::Archive(_) | Named::Replay(_)) | None => {
                text.to_owned()
            }
        },
    }
}

/// What a target's ARN leads to, whatever its region and account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A function, by its name.
    Function(String),
    /// A state machine, by its name.
    Machine(String),
    /// A queue, by its name.
    Queue(String),
    /// Another event bus, by its name.
    Bus(String),
    /// A group of log lines, by its name.
    Log(String),
}

/// How the names of log groups begin that rules may write to.
const LOG_GROUPS: &str = "/aws/events/";

impl Place {
    /// Reads the ARN of a target.
    ///
    /// # Errors
    /// Why no event can be sent there, and what would do instead.
    pub fn read(arn: &str) -> Result<Self, String> {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let place = if let Some(function) = resource(arn, "lambda") {
            let name = function.strip_prefix("function:").and_then(|name| name.split(':').next());
            name.and_then(named).map(Self::Function)
        } else if let Some(machine) = resource(arn, "states") {
            let name = machine.strip_prefix("stateMachine:");
            name.filter(|name| !name.contains(':')).and_then(named).map(Self::Machine)
        } else if let Some(queue) = resource(arn, "sqs") {
            named(queue).filter(|name| !name.ends_with(".fifo")).map(Self::Queue)
        } else if let Some(Named::Bus(bus)) = Named::read(arn) {
            Some(Self::Bus(bus))
        } else if let Some(group) = resource(arn, "logs") {
            let name = group.strip_prefix("log-group:").map(|name| name.trim_end_matches(":*"));
            name.filter(|name| name.starts_with(LOG_GROUPS)).and_then(named).map(Self::Log)
        } else {
            None
        };
        place.ok_or_else(|| {
            "targets are functions (arn:aws:lambda:…:function:name), state machines without a \
             version (arn:aws:states:…:stateMachine:name), standard queues (arn:aws:sqs:…:name), \
             event buses (arn:aws:events:…:event-bus/name) and log groups \
             (arn:aws:logs:…:log-group:/aws/events/name)"
                .to_owned()
        })
    }
}

/// The name of the queue that an ARN means; `None` when it means none.
#[must_use]
pub fn queue_named(arn: &str) -> Option<String> {
    resource(arn, "sqs").filter(|name| !name.is_empty()).map(str::to_owned)
}

/// What stands after service, region and account.
fn resource<'a>(arn: &'a str, service: &str) -> Option<&'a str> {
    let mut parts = arn.splitn(6, ':');
    let scheme = parts.next()?;
    let partition = parts.next()?;
    let of = parts.next()?;
    let (_region, account) = (parts.next()?, parts.next()?);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (scheme == "arn" && partition.starts_with("aws") && of == service && is_account)
        .then(|| parts.next())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_what_it_was_made_of() {
        let home = Home::default();
        let rule = |bus: &str| Named::Rule { bus: bus.into(), name: "r.1".into() };
        for (arn, named) in [
            (home.bus("default"), Named::Bus("default".into())),
            (home.rule("default", "r.1"), rule("default")),
            (home.rule("orders", "r.1"), rule("orders")),
            (home.archive("a"), Named::Archive("a".into())),
            (home.replay("p"), Named::Replay("p".into())),
        ] {
            assert_eq!(Named::read(&arn), Some(named), "{arn}");
        }
        for other in ["", "default", "arn:aws:events:r:000000000000:rule/", "arn:aws:sqs:r:1:q"] {
            assert_eq!(Named::read(other), None, "{other}");
        }
    }

    #[test]
    fn every_kind_of_target_is_told_by_its_arn() {
        for (arn, place) in [
            ("arn:aws:lambda:r:000000000000:function:f:live", Place::Function("f".into())),
            ("arn:aws:states:r:000000000000:stateMachine:m", Place::Machine("m".into())),
            ("arn:aws:sqs:r:000000000000:q", Place::Queue("q".into())),
            ("arn:aws:events:r:000000000000:event-bus/b", Place::Bus("b".into())),
            (
                "arn:aws:logs:r:000000000000:log-group:/aws/events/x:*",
                Place::Log("/aws/events/x".into()),
            ),
        ] {
            assert_eq!(Place::read(arn), Ok(place), "{arn}");
        }
    }

    #[test]
    fn other_targets_are_refused_and_the_known_ones_named() {
        for arn in [
            "",
            "q",
            "arn:aws:kinesis:r:000000000000:stream/s",
            "arn:aws:sqs:r:000000000000:q.fifo",
            "arn:aws:sqs:r:account:q",
            "arn:aws:states:r:000000000000:stateMachine:m:1",
            "arn:aws:logs:r:000000000000:log-group:/elsewhere",
            "arn:aws:events:r:000000000000:rule/x",
        ] {
            let why = Place::read(arn).expect_err(arn);
            assert!(why.contains("standard queues"), "{why}");
        }
    }
}
