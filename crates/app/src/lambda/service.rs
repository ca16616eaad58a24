//! Which roles a service's binary has.

use super::handler::Handler;
use super::parts::Parts;
use super::settings::Env;
use std::fmt;

/// What a function of a service is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers HTTP requests: API Gateway.
    Api,
    /// Performs the tasks of state machines: Step Functions.
    Tasks,
    /// Takes what comes by itself: queues, streams, schedules.
    Events,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Api, Self::Tasks, Self::Events];

    /// Its name in `ORDERSAGA_ROLE`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Tasks => "tasks",
            Self::Events => "events",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Builds the handler of a role out of the environment; `None` when that has problems, which the
/// environment then knows.
pub type Build = fn(&mut Env, &Parts) -> Option<Box<dyn Handler>>;

/// A service as it is deployed: one binary, one function for each of its roles.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// The binary's name.
    pub name: &'static str,
    /// Its roles.
    pub roles: &'static [(Role, Build)],
}

impl Service {
    /// Builds the handler of the role that the environment names.
    pub fn handler(&self, env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
        let names: Vec<&str> = self.roles.iter().map(|(role, _)| role.as_str()).collect();
        let build = env.role(|text| {
            let found = self.roles.iter().find(|(role, _)| role.as_str() == text);
            let build = found.map(|(_, build)| *build);
            build.ok_or_else(|| format!("is no role of `{}`: {}", self.name, names.join(", ")))
        })?;
        build(env, parts)
    }
}
