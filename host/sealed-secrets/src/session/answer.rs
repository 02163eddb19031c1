//! The response to the client.

use std::sync::Arc;

use super::{Replaced, Session, Violation, class_name};
use crate::json::{self, Found, Place, Wanted};
use crate::rules::ShownRule;
use crate::table::{Hold, Owner};
use crate::words::dotted;

impl Session {
    /// Puts the values of surrogates into the data of a response.
    ///
    /// # Errors
    /// When a surrogate is in a field that does not show its value.
    pub fn open_response(&mut self, path: &str, data: &mut String) -> Result<(), Violation> {
        // Most responses hold no surrogate, and a search is faster than a parser. The mark of a surrogate is hexadecimal, which
        // no serializer escapes; a surrogate that a guest escapes itself reaches the client as the surrogate, not as its value.
        if self.table.occurrences(data.as_bytes()).next().is_none() {
            return Ok(());
        }
        let rules = Arc::clone(&self.rules);
        let matches = |(_, rule): &(usize, &ShownRule)| rule.paths.iter().any(|pattern| pattern.matches(path));
        let rules: Vec<(usize, &ShownRule)> = (0..).zip(&rules.shown).filter(matches).collect();
        // A place shows the values of each class that has it, whichever declaration the class is of: all ranks are one.
        let places: Vec<Place<'_>> =
            rules.iter().map(|(_, rule)| Place { at: &rule.at, is_open: false, rank: 0 }).collect();
        let found = json::find(data.as_bytes(), Wanted { places: &places, beside: &[], any_case: false });
        // What is no JSON breaks the contract anyway; here it shows nothing.
        let found = found.unwrap_or_default();
        let replaced = self.shown(&found, &rules)?;
        let is_shown =
            |at: isize| usize::try_from(at).is_ok_and(|at| json::within(&replaced, |(span, _)| span, &(at..at + 1)));
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

    fn shown(&mut self, found: &Found, rules: &[(usize, &ShownRule)]) -> Result<Replaced, Violation> {
        let mut replaced: Replaced = Vec::new();
        for text in &found.texts {
            let Some(entry) = self.table.behind(&text.value) else { continue };
            let here: Vec<_> = text.places.iter().filter_map(|place| rules.get(*place)).collect();
            let fits = |is_owner: &dyn Fn(&ShownRule, usize, &Owner) -> bool| {
                entry.holds.iter().any(|hold| match hold {
                    Hold::Class { class, owner, .. } => {
                        here.iter().any(|(number, rule)| rule.class == *class && is_owner(rule, *number, owner))
                    }
                    Hold::Unreadable { .. } | Hold::Withheld { .. } => false,
                })
            };
            let asked = |number: usize| self.asked.get(number).and_then(Option::as_ref);
            let is_shown = fits(&|rule, number, owner| rule.owner.is_empty() || self.is_owner(owner, asked(number)));
            if !is_shown {
                let class = class_name(&self.rules, entry);
                let field = here.first().map(|(_, rule)| dotted(&rule.at)).unwrap_or_default();
                let why = match fits(&|_, _, _| true) {
                    true => "whose request does not name the owner of the value",
                    false => "which does not show it",
                };
                return Err(self.violate(&class, &format!("the field `{field}` of the response, {why}")));
            }
            replaced.push((text.span.clone(), json::quoted(&entry.value)));
        }
        Ok(replaced)
    }
}
