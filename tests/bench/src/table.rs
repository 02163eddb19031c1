//! The table: figure, target, ratio to the target, and whether the target is met.

use std::fmt::{Display, Formatter, Result};

/// Rows in order of measurement.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    figure: String,
    target: String,
    ratio: String,
    met: &'static str,
}

/// The target of a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Table {
    /// Adds a figure with a target.
    pub(crate) fn target(&mut self, what: impl Into<String>, figure: f64, unit: &str, target: Target) {
        let (sign, wanted, met) = match target {
            Target::AtMost(wanted) => ("≤", wanted, figure <= wanted),
            Target::AtLeast(wanted) => ("≥", wanted, figure >= wanted),
        };
        self.rows.push(Row {
            what: what.into(),
            figure: quantity(figure, unit),
            target: format!("{sign} {}", quantity(wanted, unit)),
            ratio: if wanted > 0.0 { format!("{:.2}", figure / wanted) } else { String::new() },
            met: if met { "met" } else { "NOT MET" },
        });
    }

    /// Adds a figure without a target, with a note in its place.
    pub(crate) fn figure(&mut self, what: impl Into<String>, figure: impl Into<String>, note: impl Into<String>) {
        self.rows.push(Row {
            what: what.into(),
            figure: figure.into(),
            target: note.into(),
            ratio: String::new(),
            met: "",
        });
    }

    /// Sets the section of the rows that follow.
    pub(crate) fn section(&mut self, name: impl Into<String>) {
        self.figure(format!("— {}", name.into()), "", "");
    }
}

/// A number with a sensible number of digits, and its unit.
pub(crate) fn quantity(figure: f64, unit: &str) -> String {
    let digits = match figure {
        small if small < 10.0 => 2,
        middle if middle < 100.0 => 1,
        _ => 0,
    };
    let space = if unit.is_empty() { "" } else { " " };
    format!("{figure:.digits$}{space}{unit}")
}

impl Display for Table {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let head = Row {
            what: "what".into(),
            figure: "figure".into(),
            target: "target".into(),
            ratio: "figure/target".into(),
            met: "",
        };
        let rows: Vec<&Row> = std::iter::once(&head).chain(&self.rows).collect();
        let width = |text: fn(&Row) -> &str| rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0);
        let what = width(|row| &row.what);
        let figure = width(|row| &row.figure);
        let target = width(|row| &row.target);
        for row in rows {
            let line = format!(
                "{:what$}  {:>figure$}  {:target$}  {:>13}  {}",
                row.what, row.figure, row.target, row.ratio, row.met
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_its_target_is_met() {
        let mut table = Table::default();
        table.target("latency", 40.0, "µs", Target::AtMost(35.0));
        table.target("speed", 2.0, "×", Target::AtLeast(1.6));
        let text = table.to_string();
        let row = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        assert!(row("latency").ends_with("NOT MET"), "{text}");
        assert!(row("speed").ends_with("met") && !row("speed").contains("NOT"), "{text}");
        assert!(row("latency").contains("1.14"), "{text}");
    }
}
