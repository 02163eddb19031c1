//! All declarations of secrets that modules of one mount ever made. They apply to every module of the mount, also to
//! one that declares less.

use std::sync::{Arc, Mutex, PoisonError};

use sealed_secrets::{Declaration, Rules};

use crate::limits::MODULES_WITH_RULES_MAX;

/// The declarations that a mount keeps, beside that of the embedded engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldSecrets {
    /// Declarations whose additional exits an operator accepted, the newest first. They precede the embedded declaration
    /// for a module that is neither embedded nor accepted; for another module they come after all others.
    pub accepted: Vec<Declaration>,
    /// All other declarations. They add sources only.
    pub others: Vec<Declaration>,
}

impl HeldSecrets {
    /// The declarations that apply to a module, which itself declares `own`: each one precedes those after it. A module
    /// keeps the exits that an operator accepted for it, and the embedded one keeps those of the binary; no module has
    /// other exits.
    fn for_module<'a>(
        &'a self,
        embedded: Option<&'a Declaration>,
        own: &'a Declaration,
    ) -> impl Iterator<Item = &'a Declaration> {
        let is_first = embedded == Some(own) || self.accepted.contains(own);
        let first = is_first.then_some(own);
        let accepted_before = self.accepted.iter().filter(move |_| !is_first);
        let accepted_after = self.accepted.iter().filter(move |_| is_first);
        first.into_iter().chain(accepted_before).chain(embedded).chain(&self.others).chain(accepted_after).chain([own])
    }

    /// The rules for a module.
    pub(crate) fn rules(&self, embedded: Option<&Declaration>, own: &Declaration) -> Rules {
        Rules::new(self.for_module(embedded, own))
    }

    /// Describes the declarations, in one line for each class that adds a source.
    pub(crate) fn lines(&self, embedded: Option<&Declaration>, own: &Declaration) -> Vec<String> {
        let (mut lines, mut known) = (Vec::new(), Vec::new());
        for declaration in self.for_module(embedded, own) {
            if !declaration.is_covered_by(known.iter().copied()) {
                lines.extend(declaration.lines());
            }
            known.push(declaration);
        }
        lines
    }
}

/// The declarations of one mount, and the rules for the modules that serve it.
#[derive(Default)]
pub(crate) struct MountSecrets(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    held: HeldSecrets,
    /// Number of the module, and its rules; the newest last.
    rules: Vec<(u64, Arc<Rules>)>,
}

impl MountSecrets {
    /// Holds these declarations from now on.
    pub(crate) fn hold(&self, held: HeldSecrets) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.held != held {
            *kept = Kept { held, rules: Vec::new() };
        }
    }

    /// The held declarations.
    pub(crate) fn held(&self) -> HeldSecrets {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).held.clone()
    }

    /// The rules for a module; `None` if the mount holds no declarations, so that the module's own rules apply.
    pub(crate) fn rules(&self, module: u64, make: impl FnOnce(&HeldSecrets) -> Rules) -> Option<Arc<Rules>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.held == HeldSecrets::default() {
            return None;
        }
        if let Some((_, rules)) = kept.rules.iter().find(|(number, _)| *number == module) {
            return Some(Arc::clone(rules));
        }
        let rules = Arc::new(make(&kept.held));
        if kept.rules.len() >= MODULES_WITH_RULES_MAX {
            kept.rules.remove(0);
        }
        kept.rules.push((module, Arc::clone(&rules)));
        Some(rules)
    }
}

#[cfg(test)]
mod tests {
    use sealed_secrets::{Alphabet, Call, Class, Destination, Shape, StoredField};

    use super::*;

    /// A declaration of one class of values below a prefix, which one call sends.
    fn declaration(prefix: &str, call: &str) -> Declaration {
        let shape = Shape {
            public: String::new(),
            alphabet: Alphabet::LowerHex,
            plain_endings: vec![],
            secret_characters_min: 16,
        };
        let field = StoredField {
            prefix: format!("{prefix}/"),
            at: vec!["token".into()],
            destination: Destination::Sibling { key: "url".into(), otherwise: None },
            owner: None,
        };
        let class = Class {
            name: prefix.to_owned(),
            shape,
            request_fields: vec![],
            stored_fields: vec![field],
            unreadable_fields: vec![],
            answered_fields: vec![],
            bearer_of: vec![Call { method: "GET".into(), path: format!("/{call}") }],
            shown_fields: vec![],
            becomes: vec![],
        };
        Declaration { classes: vec![class] }
    }

    fn order(held: &HeldSecrets, embedded: Option<&Declaration>, own: &Declaration) -> Vec<String> {
        let mut calls: Vec<String> = Vec::new();
        for declaration in held.for_module(embedded, own) {
            let call = declaration.classes.iter().flat_map(|class| &class.bearer_of).map(|call| call.path.clone());
            calls.extend(call.filter(|path| !calls.contains(path)).collect::<Vec<_>>());
        }
        calls
    }

    #[test]
    fn a_module_precedes_what_its_mount_holds_only_where_an_operator_accepted_it() {
        let [embedded, accepted, other, own] =
            ["embedded", "accepted", "other", "own"].map(|call| declaration("config", call));
        let held = HeldSecrets { accepted: vec![accepted.clone()], others: vec![other] };
        assert_eq!(order(&held, Some(&embedded), &own), ["/accepted", "/embedded", "/other", "/own"]);
        assert_eq!(order(&held, Some(&embedded), &accepted), ["/accepted", "/embedded", "/other"]);
        assert_eq!(order(&held, Some(&embedded), &embedded), ["/embedded", "/other", "/accepted"]);
        assert_eq!(order(&held, None, &own), ["/accepted", "/other", "/own"]);
        assert_eq!(order(&HeldSecrets::default(), None, &own), ["/own"]);
    }

    #[test]
    fn each_held_declaration_is_described_once() {
        let (config, token) = (declaration("config", "a"), declaration("token", "b"));
        let held = HeldSecrets { accepted: vec![], others: vec![config.clone(), token] };
        let lines = held.lines(Some(&config), &Declaration::default());
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("config: from `token` below `config/`"), "{lines:?}");
    }

    #[test]
    fn rules_are_made_once_for_each_module_and_anew_when_more_is_held() {
        let (secrets, own) = (MountSecrets::default(), Declaration::default());
        let rules = |module: u64| secrets.rules(module, |held| held.rules(None, &own));
        assert!(rules(1).is_none(), "nothing is held");
        let held = HeldSecrets { others: vec![declaration("config", "a")], ..HeldSecrets::default() };
        secrets.hold(held.clone());
        let first = rules(1);
        assert!(first.as_ref().is_some_and(|rules| !rules.is_empty()));
        assert!(rules(1).zip(first.clone()).is_some_and(|(one, other)| Arc::ptr_eq(&one, &other)));
        for module in 0..20 {
            let _ = rules(module);
        }
        secrets.hold(held);
        assert!(rules(19).is_some());
        assert!(rules(1).zip(first).is_some_and(|(one, other)| !Arc::ptr_eq(&one, &other)), "the oldest made room");
        secrets.hold(HeldSecrets::default());
        assert!(rules(1).is_none());
    }
}
