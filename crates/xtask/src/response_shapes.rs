//! Derives what each action of a service answers from the service's model, as botocore has it.
//!
//! ```text
//! cargo xtask response-shapes <folder>
//! ```
//!
//! The folder holds one `<service>.json` for each service of [`SERVICES`]: the unpacked
//! `service-2.json` of botocore's `data/<name>/<version>`. What comes out is one line of JSON for
//! each service, of which only what a mocked result is checked for is kept:
//! `s` text, `n` number, `b` boolean, `*` anything, each with `:<least>:<most>` or `=<value>|…`;
//! `[of]` a list, `{"": of}` a map, and otherwise the name of a structure, whose members are `m`
//! and whose required ones `r`.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::path::Path;

/// The services whose answers are checked, as Step Functions names them.
pub const SERVICES: [&str; 9] =
    ["dynamodb", "eventbridge", "kms", "lambda", "s3", "secretsmanager", "sfn", "sns", "sqs"];

/// Where the derived shapes are kept, from the root.
const FILE: &str = "crates/asl/src/test_state/shapes.jsonl";

/// Writes the shapes of all services.
///
/// # Errors
/// A model is missing or is none.
pub fn write(root: &Path, models: &Path) -> Result<()> {
    let mut lines = String::new();
    for service in SERVICES {
        let path = models.join(service).with_extension("json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("read the model {}", path.display()))?;
        let model = serde_json::from_str(&text).with_context(|| format!("read {service}"))?;
        lines.push_str(&derive(service, &model).to_string());
        lines.push('\n');
    }
    std::fs::write(root.join(FILE), lines).context("write the shapes")
}

fn derive(service: &str, model: &Value) -> Value {
    let mut shapes = Shapes { model, structures: Map::new() };
    let mut actions = Map::new();
    for (name, operation) in model["operations"].as_object().into_iter().flatten() {
        if let Some(output) = operation["output"]["shape"].as_str() {
            let shape = shapes.shape(output);
            actions.insert(lower_first(name), shape);
        }
    }
    json!({"service": service, "actions": actions, "structures": shapes.structures})
}

struct Shapes<'m> {
    model: &'m Value,
    structures: Map<String, Value>,
}

impl Shapes<'_> {
    fn shape(&mut self, name: &str) -> Value {
        let shape = &self.model["shapes"][name];
        let member = |of: &Value| of["shape"].as_str().unwrap_or_default().to_owned();
        match shape["type"].as_str() {
            Some("structure") if shape["document"] == true => Value::from("*"),
            Some("structure") => {
                self.structure(name, shape);
                Value::from(name)
            }
            Some("list") => json!([self.shape(&member(&shape["member"]))]),
            Some("map") => json!({"": self.shape(&member(&shape["value"]))}),
            Some("boolean") => Value::from("b"),
            Some("integer" | "long" | "float" | "double") => bounded("n", shape),
            Some("string" | "timestamp" | "blob") => match shape["enum"].as_array() {
                Some(values) => {
                    let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
                    Value::from(format!("s={}", values.join("|")))
                }
                None => bounded("s", shape),
            },
            _ => Value::from("*"),
        }
    }

    fn structure(&mut self, name: &str, shape: &Value) {
        if self.structures.contains_key(name) {
            return;
        }
        // Before its members: structures may contain themselves.
        self.structures.insert(name.to_owned(), Value::Null);
        let members: Map<String, Value> = shape["members"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(member, of)| {
                (member.clone(), self.shape(of["shape"].as_str().unwrap_or_default()))
            })
            .collect();
        let mut structure = json!({ "m": members });
        if let Some(required) = shape.get("required").filter(|it| *it != &json!([])) {
            structure["r"] = required.clone();
        }
        self.structures.insert(name.to_owned(), structure);
    }
}

fn bounded(kind: &str, shape: &Value) -> Value {
    let bound = |name: &str| shape.get(name).map(Value::to_string).unwrap_or_default();
    match (bound("min"), bound("max")) {
        (least, most) if least.is_empty() && most.is_empty() => Value::from(kind),
        (least, most) => Value::from(format!("{kind}:{least}:{most}")),
    }
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_becomes_what_its_actions_answer() {
        let model = json!({
            "operations": {
                "GetThing": {"output": {"shape": "Thing"}},
                "Forget": {},
            },
            "shapes": {
                "Thing": {"type": "structure", "required": ["Id"], "members": {
                    "Id": {"shape": "Id"}, "Parts": {"shape": "Things"},
                    "Size": {"shape": "Size"}, "Kind": {"shape": "Kind"},
                }},
                "Things": {"type": "list", "member": {"shape": "Thing"}},
                "Id": {"type": "string"},
                "Size": {"type": "integer", "min": 1, "max": 8},
                "Kind": {"type": "string", "enum": ["A", "B"]},
            },
        });
        assert_eq!(
            derive("things", &model),
            json!({"service": "things", "actions": {"getThing": "Thing"}, "structures": {
                "Thing": {"r": ["Id"], "m": {
                    "Id": "s", "Parts": ["Thing"], "Size": "n:1:8", "Kind": "s=A|B",
                }},
            }})
        );
    }
}
