//! The response to the client.

use std::ops::Range;
use std::sync::Arc;

use super::{Replaced, Session, Violation, class_name, dotted};
use crate::json::{self, Found, Place, Wanted};
use crate::rules::ShownRule;
use crate::table::Hold;

impl Session {
    /// Puts the values of surrogates into the data of a response.
    ///
    /// # Errors
    /// When a surrogate is in a field that does not show its value.
    pub fn open_response(&mut self, path: &str, data: &mut String) -> Result<(), Violation> {
        if self.table.is_empty() {
            return Ok(());
        }
        let rules = Arc::clone(&self.rules);
        let matches = |rule: &&ShownRule| rule.paths.iter().any(|pattern| pattern.matches(path));
        let rules: Vec<&ShownRule> = rules.shown.iter().filter(matches).collect();
        let places: Vec<Place<'_>> = rules.iter().map(|rule| Place { at: &rule.at, is_open: false }).collect();
        let found = json::find(data.as_bytes(), Wanted { places: &places, beside: &[], any_case: false });
        // What is no JSON breaks the contract anyway; here it shows nothing.
        let found = found.unwrap_or_default();
        let replaced = self.shown(&found, &rules)?;
        let is_shown = |at: isize| replaced.iter().any(|(span, _)| contains(span, at));
        let elsewhere = self.table.occurrences(data.as_bytes()).find(|(at, _)| !is_shown(*at));
        if let Some(class) = elsewhere.map(|(_, entry)| class_name(&self.rules, entry)) {
            return Err(self.violate(&class, "a field of the response that does not show it"));
        }
        if !replaced.is_empty() {
            let mut bytes = std::mem::take(data).into_bytes();
            json::splice(&mut bytes, &replaced);
            *data = String::from_utf8(bytes).unwrap_or_default();
        }
        Ok(())
    }

    fn shown(&mut self, found: &Found, rules: &[&ShownRule]) -> Result<Replaced, Violation> {
        let mut replaced: Replaced = Vec::new();
        for text in &found.texts {
            let Some(entry) = self.table.behind(&text.value) else { continue };
            let here: Vec<&ShownRule> = text.places.iter().filter_map(|place| rules.get(*place).copied()).collect();
            let is_shown = entry
                .holds
                .iter()
                .any(|hold| matches!(hold, Hold::Class { class, .. } if here.iter().any(|rule| rule.class == *class)));
            if !is_shown {
                let class = class_name(&self.rules, entry);
                let field = here.first().map(|rule| dotted(&rule.at)).unwrap_or_default();
                return Err(
                    self.violate(&class, &format!("the field `{field}` of the response, which does not show it"))
                );
            }
            replaced.push((text.span.clone(), json::quoted(&entry.value)));
        }
        Ok(replaced)
    }
}

fn contains(span: &Range<usize>, at: isize) -> bool {
    usize::try_from(at).is_ok_and(|at| span.contains(&at))
}
