//! Tables and cards for people.
//!
//! Owns: columns. Does not own: what stands in them.

/// How far apart columns stand.
const GAP: &str = "  ";

/// Rows under a head, each column as wide as its widest cell; the last one is not padded.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|name| name.chars().count())).max().unwrap_or(0)
    };
    let line = |cells: &[&str]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let is_last = column + 1 == cells.len();
            let missing = if is_last { 0 } else { width(column) - cell.chars().count() };
            format!("{cell}{}", " ".repeat(missing))
        });
        padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    let body = rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    [line(head)].into_iter().chain(body).collect::<Vec<_>>().join("\n")
}

/// Named facts below each other; empty ones are left out.
pub(super) fn card(facts: &[(&str, String)]) -> String {
    let facts: Vec<_> = facts.iter().filter(|(_, fact)| !fact.is_empty()).collect();
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, fact): &&(&str, String)| format!("{name:<width$}{GAP}{fact}");
    facts.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_where_they_end() {
        let rows = [vec!["a".to_owned(), "x".to_owned()], vec!["länger".to_owned(), String::new()]];
        assert_eq!(table(&["NAME", "IS"], &rows), "NAME    IS\na       x\nlänger");
        assert_eq!(table(&["NAME", "IS"], &[]), "NAME  IS");
    }

    #[test]
    fn a_fact_that_is_not_known_is_not_shown() {
        let facts = [("name", "tea".to_owned()), ("by", String::new()), ("is", "hot".to_owned())];
        assert_eq!(card(&facts), "name  tea\nis    hot");
    }
}
