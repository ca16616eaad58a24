//! Projection expressions: what is shown of an item.

use super::lexer::Sort;
use super::parser::{Parser, StandIns};
use super::path::{Path, overlapping};
use crate::failure::Failure;

/// Reads a projection.
pub(crate) fn parse(text: &str, stand_ins: &mut StandIns) -> Result<Vec<Path>, Failure> {
    let mut parser = Parser::of(Sort::Projection, text, stand_ins)?;
    let paths = parser.list(Parser::path)?;
    parser.expect_end()?;
    let all: Vec<&Path> = paths.iter().collect();
    if let Some((one, two)) = overlapping(&all) {
        return Err(parser.wrong(&format!(
            "Two document paths overlap with each other; must remove or rewrite one of these \
             paths; path one: {one}, path two: {two}"
        )));
    }
    Ok(paths)
}
