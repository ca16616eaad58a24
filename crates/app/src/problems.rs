//! Everything that is wrong with the settings, said at once.

/// Something is wrong with the settings: all of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has problems:\n{}", .0.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<String>);
