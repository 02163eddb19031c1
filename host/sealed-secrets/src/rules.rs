//! What holds for the requests of a mount: declarations, of which each one precedes those after it.

use crate::declaration::{At, Class, Declaration, Destination, Shape, StoredOwner, StoredUrl};
use crate::json::Place;
use crate::pattern::{CallPattern, PathPattern};

/// The rules of a mount.
///
/// Of several declarations, each keeps the rules of its places whatever those after it say of them. A later one only adds
/// places, whose values are of its own classes. So a module that declares less, more or something else than what holds for
/// the mount lets no value of the mount go anywhere else.
#[derive(Debug, Default)]
pub struct Rules {
    pub(crate) classes: Vec<ClassRules>,
    pub(crate) requests: Vec<RequestRule>,
    pub(crate) stored: Vec<StoredRule>,
    pub(crate) answered: Vec<AnsweredRule>,
    pub(crate) shown: Vec<ShownRule>,
    /// Entries whose base URLs are the destinations of values. One prefix has one kind of entry: the first one counts.
    pub(crate) stored_urls: Vec<StoredUrl>,
}

/// A class.
#[derive(Debug)]
pub(crate) struct ClassRules {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) bearer_of: Vec<CallPattern>,
    /// Indexes of classes, its own among them.
    pub(crate) stored_as: Vec<usize>,
    /// The number of its declaration: 0 for the first one.
    pub(crate) rank: usize,
}

/// A field of requests.
#[derive(Debug)]
pub(crate) struct RequestRule {
    pub(crate) paths: Vec<PathPattern>,
    pub(crate) at: At,
    pub(crate) class: usize,
    pub(crate) destination: Destination,
    pub(crate) owner: Vec<String>,
}

/// A field of entries below a prefix.
#[derive(Debug)]
pub(crate) struct StoredRule {
    pub(crate) prefix: String,
    pub(crate) at: At,
    pub(crate) class: usize,
    /// None = a field that keeps what the engine could not read.
    pub(crate) destination: Option<Destination>,
    pub(crate) owner: Option<StoredOwner>,
}

/// A field of the answer to a call.
#[derive(Debug)]
pub(crate) struct AnsweredRule {
    pub(crate) call: CallPattern,
    pub(crate) at: At,
    pub(crate) class: usize,
}

/// A field of responses.
#[derive(Debug)]
pub(crate) struct ShownRule {
    pub(crate) paths: Vec<PathPattern>,
    pub(crate) at: At,
    pub(crate) class: usize,
    pub(crate) owner: Vec<String>,
}

impl Rules {
    /// The rules of declarations, the first one first. The declarations are checked.
    #[must_use]
    pub fn new<'a>(declarations: impl IntoIterator<Item = &'a Declaration>) -> Self {
        let (mut rules, mut added) = (Self::default(), Vec::new());
        for declaration in declarations {
            if !added.contains(&declaration) {
                rules.add(declaration, added.len());
                added.push(declaration);
            }
        }
        rules
    }

    /// Is no value of the mount secret?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    fn add(&mut self, declaration: &Declaration, rank: usize) {
        let first = self.classes.len();
        for (index, class) in (first..).zip(&declaration.classes) {
            let named = |name: &String| declaration.classes.iter().position(|class| class.name == *name);
            let becomes = class.becomes.iter().filter_map(named).map(|position| position + first);
            self.classes.push(ClassRules {
                name: class.name.clone(),
                shape: class.shape.clone(),
                bearer_of: class.bearer_of.iter().map(call).collect(),
                stored_as: std::iter::once(index).chain(becomes).collect(),
                rank,
            });
            self.add_places(class, index);
        }
    }

    fn add_places(&mut self, class: &Class, index: usize) {
        let requested = class.request_fields.iter().map(|field| &field.destination);
        let stored = class.stored_fields.iter().map(|field| &field.destination);
        self.stored_urls.extend(requested.chain(stored).filter_map(|destination| match destination {
            Destination::SiblingOrigin { stored, .. } | Destination::Requested { stored, .. } => stored.clone(),
            Destination::Nowhere | Destination::Sibling { .. } => None,
        }));
        let paths = |texts: &[String]| texts.iter().map(|text| PathPattern::new(text)).collect();
        self.requests.extend(class.request_fields.iter().map(|field| RequestRule {
            paths: paths(&field.paths),
            at: field.at.clone(),
            class: index,
            destination: field.destination.clone(),
            owner: field.owner.clone(),
        }));
        self.stored.extend(class.stored_fields.iter().map(|field| StoredRule {
            prefix: field.prefix.clone(),
            at: field.at.clone(),
            class: index,
            destination: Some(field.destination.clone()),
            owner: field.owner.clone(),
        }));
        // An open field of a later declaration that would swallow a place of an earlier one is not searched.
        self.stored.extend(class.unreadable_fields.iter().map(|field| StoredRule {
            prefix: field.prefix.clone(),
            at: field.at.clone(),
            class: index,
            destination: None,
            owner: None,
        }));
        self.answered.extend(class.answered_fields.iter().map(|field| AnsweredRule {
            call: call(&field.call),
            at: field.at.clone(),
            class: index,
        }));
        self.shown.extend(class.shown_fields.iter().map(|field| ShownRule {
            paths: paths(&field.paths),
            at: field.at.clone(),
            class: index,
            owner: field.owner.clone(),
        }));
    }

    pub(crate) fn class(&self, index: usize) -> Option<&ClassRules> {
        self.classes.get(index)
    }

    /// A place of a class, to search for.
    pub(crate) fn place<'a>(&self, at: &'a At, class: usize, is_open: bool) -> Place<'a> {
        Place { at, is_open, rank: self.class(class).map_or(usize::MAX, |class| class.rank) }
    }
}

fn call(call: &crate::declaration::Call) -> CallPattern {
    CallPattern { method: call.method.clone(), path: call.path.clone() }
}
