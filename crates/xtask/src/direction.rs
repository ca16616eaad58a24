//! The direction of dependencies, as DESIGN and ARCHITECTURE draw it.
//!
//! `contracts ← ports ← { services · engine(+asl) · events · resilience · adapters · gateway } ←
//! app ← { saga-cli, tests }`

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::path::Path;

/// What each crate of ours may see of ours. A crate that is not listed fails the test.
const MAY_SEE: &[(&str, &[&str])] = &[
    ("contracts", &[]),
    ("asl", &["contracts"]),
    ("ports", &["contracts"]),
    ("testkit", &["contracts", "ports"]),
    ("user", &["contracts", "ports"]),
    ("order", &["contracts", "ports"]),
    ("payment", &["contracts", "ports"]),
    ("inventory", &["contracts", "ports"]),
    ("notification", &["contracts", "ports"]),
    ("engine", &["asl", "contracts", "ports"]),
    ("events", &["contracts", "ports"]),
    ("resilience", &["contracts", "ports"]),
    ("adapter-aws", &["contracts", "ports"]),
    ("adapter-local", &["adapter-os", "contracts", "ports"]),
    ("adapter-os", &["contracts", "ports"]),
    ("gateway", &["contracts", "ports"]),
    ("integrations", &["contracts", "ports"]),
    ("aws-api", &["asl", "contracts", "engine", "events", "ports"]),
    ("conformance", &["asl", "contracts", "events"]),
    ("xtask", &[]),
    (
        "app",
        &[
            "adapter-aws",
            "adapter-local",
            "adapter-os",
            "asl",
            "aws-api",
            "contracts",
            "engine",
            "events",
            "gateway",
            "integrations",
            "inventory",
            "notification",
            "order",
            "payment",
            "ports",
            "resilience",
            "user",
        ],
    ),
    (
        "saga-cli",
        &["adapter-local", "app", "asl", "contracts", "engine", "events", "ports", "resilience"],
    ),
    ("system-tests", &["app", "asl", "contracts", "events", "ports", "testkit", "xtask"]),
];

/// What a service must never see, however it is called: runtimes, frameworks, clouds.
const NOT_FOR_SERVICES: [&str; 6] = ["axum", "hyper", "reqwest", "rusqlite", "tokio", "tower"];
const SERVICES: [&str; 5] = ["user", "order", "payment", "inventory", "notification"];

/// Lists every dependency that points the wrong way.
///
/// # Errors
/// Cargo cannot describe the workspace.
pub fn violations(root: &Path) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("describe the workspace")?;
    let ours: Vec<&str> = metadata.packages.iter().map(|package| &**package.name).collect();
    Ok(metadata.packages.iter().flat_map(|package| wrong(package, &ours)).collect())
}

fn wrong(package: &Package, ours: &[&str]) -> Vec<String> {
    let name = &**package.name;
    let Some((_, may_see)) = MAY_SEE.iter().find(|(crate_name, _)| *crate_name == name) else {
        return vec![format!("{name} has no place in the direction of dependencies")];
    };
    let is_service = SERVICES.contains(&name);
    let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
    normal
        .filter_map(|dependency| {
            let seen = dependency.name.as_str();
            let foreign =
                is_service && (NOT_FOR_SERVICES.contains(&seen) || seen.starts_with("aws-"));
            let upward = ours.contains(&seen) && !may_see.contains(&seen);
            (foreign || upward).then(|| format!("{name} must not see {seen}"))
        })
        .collect()
}
