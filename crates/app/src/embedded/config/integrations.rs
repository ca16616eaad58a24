//! The settings of what a Task state can call: `[functions]`, `[tables.<name>]` and
//! `[connections.<name>]`.
//!
//! Sections live in the settings file only. A secret may stand there, or in the environment
//! variable that the section names.

use super::Origin;
use integrations::{
    Authorization, Connection, Connections, Key, KeyKind, Table as DocumentTable, Tables, Url,
};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The sections of the settings file that are read here.
pub(super) const SECTIONS: [&str; 3] = ["functions", "tables", "connections"];
/// Stands for every function that has no address of its own.
const EVERY_OTHER: &str = "*";
/// The functions that this system is made of.
const OURS: [&str; 4] =
    [inventory::FUNCTION, order::tasks::FUNCTION, payment::FUNCTION, resilience::desk::FUNCTION];
/// The longest name of a function (Lambda's limit).
const NAME_MAX: usize = 64;

/// What a Task state can call beside our services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Integrations {
    /// Where functions are that are none of ours, by name.
    pub functions: BTreeMap<String, Url>,
    /// Where every other function is, if anywhere.
    pub other_functions: Option<Url>,
    /// The tables of documents.
    pub tables: Tables,
    /// How HTTP APIs are shown who calls, by the connection's name.
    pub connections: Connections,
}

/// Reads the sections.
pub(super) struct Reader<'a> {
    /// The environment, for the secrets that sections leave to it.
    pub(super) env: &'a BTreeMap<String, String>,
    /// Everything that is wrong.
    pub(super) problems: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// Reads all sections that are there.
    pub(super) fn read(&mut self, sections: &BTreeMap<String, (Table, Origin)>) -> Integrations {
        let mut read = Integrations::default();
        if let Some((functions, origin)) = sections.get("functions") {
            for (name, url) in functions {
                self.function(&mut read, (name, url), origin);
            }
        }
        if let Some((tables, origin)) = sections.get("tables") {
            for (name, given) in tables {
                let at = format!("{origin}: [tables.{name}]");
                if let Some(table) = self.table(given, &at) {
                    read.tables.0.insert(name.clone(), table);
                }
            }
        }
        if let Some((connections, origin)) = sections.get("connections") {
            for (name, given) in connections {
                let at = format!("{origin}: [connections.{name}]");
                if let Some(authorization) = self.authorization(given, &at) {
                    let connection = Connection { authorization };
                    read.connections.0.insert(name.clone(), connection);
                }
            }
        }
        read
    }

    fn function(&mut self, read: &mut Integrations, named: (&str, &Value), origin: &Origin) {
        let (name, url) = named;
        let mut wrong = |why: String| {
            self.problems.push(format!("{origin}: [functions] {name:?} = {url} {why}"));
        };
        if OURS.contains(&name) {
            wrong("is one of Ordersaga's own services: give the function another name".to_owned());
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name != EVERY_OTHER && (name.len() > NAME_MAX || !name.chars().all(is_name)) {
            wrong(format!(
                "has no function's name: 1 to {NAME_MAX} letters, digits, - and _, or \"*\" for \
                 every other function"
            ));
        }
        let parsed = url.as_str().and_then(|text| Url::parse(text).ok());
        match parsed.filter(|url| matches!(url.scheme(), "http" | "https")) {
            None => wrong("must be a URL, like \"http://127.0.0.1:9000\"".to_owned()),
            Some(url) if name == EVERY_OTHER => read.other_functions = Some(url),
            Some(url) => drop(read.functions.insert(name.to_owned(), url)),
        }
    }

    /// Takes a section apart; only `known` settings may be in it.
    fn section<'t>(&mut self, given: &'t Value, at: &str, known: &[&str]) -> Option<&'t Table> {
        let Some(given) = given.as_table() else {
            self.problems.push(format!("{at} must be a section"));
            return None;
        };
        for name in given.keys().filter(|name| !known.contains(&name.as_str())) {
            let known = known.join(", ");
            self.problems.push(format!("{at} `{name}` is not a setting; settings are: {known}"));
        }
        Some(given)
    }

    /// Reads `hash_key` and perhaps `range_key`.
    fn table(&mut self, given: &Value, at: &str) -> Option<DocumentTable> {
        let given = self.section(given, at, &["hash_key", "range_key"])?;
        let Some(hash) = given.get("hash_key") else {
            self.problems.push(format!("{at} must have a `hash_key`, like \"id\""));
            return None;
        };
        let hash = self.key(hash, at);
        let range = given.get("range_key").map(|range| self.key(range, at));
        Some(DocumentTable { hash: hash?, range: range.map_or(Some(None), |r| r.map(Some))? })
    }

    /// Reads a key: `name`, or `name:type`.
    fn key(&mut self, given: &Value, at: &str) -> Option<Key> {
        let text = given.as_str().unwrap_or_default();
        let (name, kind) = text.split_once(':').unwrap_or((text, "S"));
        let kind = match kind {
            "S" => Some(KeyKind::S),
            "N" => Some(KeyKind::N),
            "B" => Some(KeyKind::B),
            _ => None,
        };
        let key = kind.filter(|_| !name.is_empty()).map(|kind| Key { name: name.to_owned(), kind });
        if key.is_none() {
            let rule = "must be an attribute's name, with :N or :B behind it where it is no text";
            self.problems.push(format!("{at} the key {given} {rule}"));
        }
        key
    }

    /// Reads `header` and `value`, or `username` and `password`.
    fn authorization(&mut self, given: &Value, at: &str) -> Option<Authorization> {
        const FIELDS: [&str; 6] =
            ["header", "value", "value_env", "username", "password", "password_env"];
        let given = self.section(given, at, &FIELDS)?;
        let text = |name: &str| given.get(name).and_then(Value::as_str).map(str::to_owned);
        match (text("header"), text("username")) {
            (Some(header), None) => {
                let value = self.secret(given, "value", at)?;
                let is_header = http::HeaderName::try_from(&header).is_ok()
                    && http::HeaderValue::try_from(&value).is_ok();
                if !is_header {
                    self.problems.push(format!("{at} `{header}` and its value are no HTTP header"));
                }
                Some(Authorization::ApiKey { header, value })
            }
            (None, Some(username)) => {
                let password = self.secret(given, "password", at)?;
                Some(Authorization::Basic { username, password })
            }
            (Some(_), Some(_)) | (None, None) => {
                let rule = "must have `header` with `value`, or `username` with `password`";
                self.problems.push(format!("{at} {rule}"));
                None
            }
        }
    }

    /// Reads a secret that stands in the section, or in the environment variable it names.
    fn secret(&mut self, given: &Table, name: &str, at: &str) -> Option<String> {
        let text = |name: &str| given.get(name).and_then(Value::as_str);
        let by_env = format!("{name}_env");
        match (text(name), text(&by_env)) {
            (Some(secret), None) => Some(secret.to_owned()),
            (None, Some(variable)) => {
                let found = self.env.get(variable).cloned();
                if found.is_none() {
                    let why = format!("{at} {by_env} = `{variable}`, which the environment lacks");
                    self.problems.push(why);
                }
                found
            }
            (Some(_), Some(_)) | (None, None) => {
                self.problems.push(format!("{at} must have either `{name}` or `{by_env}`"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Integrations, Vec<String>) {
        let table: Table = text.parse().unwrap();
        let sections = table.into_iter().map(|(name, section)| {
            let Value::Table(section) = section else { panic!("{name}") };
            (name, (section, Origin::File("f.toml".into())))
        });
        let env = BTreeMap::from([("STRIPE_KEY".to_owned(), "hush".to_owned())]);
        let mut problems = Vec::new();
        let integrations = Reader { env: &env, problems: &mut problems }.read(&sections.collect());
        (integrations, problems)
    }

    #[test]
    fn functions_are_registered_by_name_and_one_address_may_serve_the_rest() {
        let (read, problems) =
            read("[functions]\nship = \"http://127.0.0.1:9000\"\n\"*\" = \"http://lambda:9001\"");
        assert_eq!(problems, [""; 0]);
        assert_eq!(read.functions["ship"].port(), Some(9000));
        assert_eq!(read.other_functions.unwrap().host_str(), Some("lambda"));
    }

    #[test]
    fn a_secret_stands_in_the_file_or_in_the_environment() {
        let (read, problems) = read(
            "[connections.stripe]\nheader = \"Authorization\"\nvalue_env = \"STRIPE_KEY\"\n\
             [connections.other]\nusername = \"u\"\npassword = \"p\"",
        );
        assert_eq!(problems, [""; 0]);
        let stripe = &read.connections.0["stripe"].authorization;
        assert!(matches!(stripe, Authorization::ApiKey { value, .. } if value == "hush"));
    }

    #[test]
    fn a_table_says_how_its_items_are_told_apart() {
        let (read, problems) = read("[tables.lines]\nhash_key = \"order\"\nrange_key = \"line:N\"");
        assert_eq!(problems, [""; 0]);
        let lines = &read.tables.0["lines"];
        assert_eq!((&*lines.hash.name, lines.hash.kind), ("order", KeyKind::S));
        let range = lines.range.as_ref().unwrap();
        assert_eq!((&*range.name, range.kind), ("line", KeyKind::N));
    }

    #[test]
    fn every_problem_of_every_section_is_said_at_once() {
        let (_, problems) = read(
            "[functions]\npayment = \"http://a\"\n\"a b\" = \"http://a\"\nship = 7\n\
             [connections.a]\nheader = \"h\"\n[connections.b]\nvalue_env = \"NONE\"\nheader = \"h\"\n\
             [connections.c]\ncolour = \"red\"\n\
             [tables.a]\nrange_key = \"x\"\n[tables.b]\nhash_key = \"x:D\"",
        );
        let all = problems.join("\n");
        assert_eq!(problems.len(), 9, "{all}");
        for said in [
            "own services",
            "no function's name",
            "must be a URL",
            "`value_env`",
            "the environment lacks",
            "`colour`",
            "`username`",
            "must have a `hash_key`",
            "\"x:D\" must be an attribute's name",
        ] {
            assert!(all.contains(said), "{said}: {all}");
        }
    }
}
