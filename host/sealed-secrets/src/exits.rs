//! Where the values of a declaration come from and where they may go, in words that can be compared: a module that lets the
//! values of a mount go anywhere else needs an operator's yes to exactly these words.

use std::collections::{BTreeMap, BTreeSet};

use crate::declaration::{At, Class, Declaration, Destination, Shape, StoredOwner, StoredUrl};
use crate::words::dotted;

/// The exits of each source.
type Exits = BTreeMap<Source, BTreeSet<String>>;

/// Where values come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    /// All that tells it from others.
    text: String,
    /// The field, as an operator sees it.
    field: String,
}

impl Source {
    fn new(from: &str, at: &At) -> Self {
        let place = dotted(at);
        let is_list = place.starts_with('[');
        let field = at.last().filter(|_| !is_list).unwrap_or(&place).clone();
        Self { text: format!("{from}:{place}"), field }
    }
}

/// What an exit says of a value that has no owner.
const NO_OWNER: &str = "owner:none";

impl Declaration {
    /// Does it declare nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Has one of these declarations, or several together, each source of this one?
    #[must_use]
    pub fn is_covered_by<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> bool {
        let known: BTreeSet<Source> = others.into_iter().flat_map(Self::sources).collect();
        self.sources().all(|source| known.contains(&source))
    }

    fn sources(&self) -> impl Iterator<Item = Source> {
        self.classes.iter().flat_map(|class| sources(class).chain(unread_sources(class))).map(|(source, _)| source)
    }

    /// Do the words for all exits of the values of all classes have more than `bytes_max` bytes? Makes no words beyond that.
    pub(crate) fn has_exits_beyond(&self, bytes_max: usize) -> bool {
        let words = self.classes.iter().flat_map(|class| {
            sources(class)
                .flat_map(|(source, own)| self.of_class(class).chain(own).map(move |exit| word(&source, &exit)))
        });
        let mut bytes = 0;
        words.map(|word| word.len()).any(|length| {
            bytes += length;
            bytes > bytes_max
        })
    }

    /// The exits that this declaration gives to values of another one, and that one does not. If there are any, the exits
    /// of its own new sources stand beside them, for such a source may be another name of an old one.
    #[must_use]
    pub fn exits_beyond(&self, other: &Self) -> BTreeSet<String> {
        let (own, known) = (self.exits(), other.exits());
        let (mut beyond, mut of_new) = (BTreeSet::new(), BTreeSet::new());
        for (source, exits) in &own {
            match known.get(source) {
                Some(known) => {
                    beyond.extend(exits.iter().filter(|exit| is_more(exit, known)).map(|exit| word(source, exit)))
                }
                None => of_new.extend(exits.iter().map(|exit| word(source, exit))),
            }
        }
        if !beyond.is_empty() {
            beyond.append(&mut of_new);
        }
        beyond
    }

    fn exits(&self) -> Exits {
        let mut exits = Exits::new();
        for class in &self.classes {
            let of_values = sources(class).map(|(source, own)| (source, self.of_class(class).chain(own).collect()));
            for (source, own) in of_values.chain(unread_sources(class)) {
                exits.entry(source).or_default().extend(own);
            }
        }
        exits
    }

    /// What holds for a value of a class wherever it comes from.
    fn of_class<'a>(&'a self, class: &'a Class) -> impl Iterator<Item = String> + 'a {
        let sent = class.bearer_of.iter().map(|call| format!("send:{}:{}", call.method, call.path));
        let shown = class.shown_fields.iter().flat_map(|field| {
            field.paths.iter().map(|path| format!("show:{path}:{}:{}", dotted(&field.at), owner(&field.owner)))
        });
        let becomes = class.becomes.iter().filter_map(|name| self.classes.iter().find(|class| class.name == *name));
        let kept = [class].into_iter().chain(becomes).flat_map(|class| &class.stored_fields);
        let kept = kept.map(|field| format!("keep:{}:{}", field.prefix, dotted(&field.at)));
        let open = class.unreadable_fields.iter().map(|field| format!("keep:{}:{}", field.prefix, dotted(&field.at)));
        sent.chain(shown).chain(kept).chain(open).chain([shape(&class.shape)])
    }
}

/// The sources of a class, each with the exits that only its own values have.
fn sources(class: &Class) -> impl Iterator<Item = (Source, Vec<String>)> {
    let requested = class.request_fields.iter().flat_map(|field| {
        field.paths.iter().map(|path| {
            let own = destination(&field.destination).into_iter().chain([owner(&field.owner)]).collect();
            (Source::new(&format!("request:{path}"), &field.at), own)
        })
    });
    let stored = class.stored_fields.iter().map(|field| {
        let whose = match &field.owner {
            None => NO_OWNER.to_owned(),
            Some(StoredOwner::Key) => "owner:key".to_owned(),
            Some(StoredOwner::Sibling(key)) => format!("owner:{key}"),
        };
        let own = destination(&field.destination).into_iter().chain([whose]).collect();
        (Source::new(&format!("storage:{}", field.prefix), &field.at), own)
    });
    let answered = class.answered_fields.iter().map(|field| {
        let (method, path) = (&field.call.method, &field.call.path);
        (Source::new(&format!("answer:{method} {path}"), &field.at), Vec::new())
    });
    requested.chain(stored).chain(answered)
}

/// The fields of a class that keep what the engine could not read. Their values are of no class: they go back below their
/// prefix, and nowhere else.
fn unread_sources(class: &Class) -> impl Iterator<Item = (Source, Vec<String>)> {
    class.unreadable_fields.iter().map(|field| {
        let source = Source::new(&format!("unreadable:{}", field.prefix), &field.at);
        (source, vec![format!("keep-unread:{}", field.prefix)])
    })
}

/// Is it an exit beyond those that are known? A value that gets an owner gets no exit by that.
fn is_more(exit: &str, known: &BTreeSet<String>) -> bool {
    !(known.contains(exit) || exit.starts_with("owner:") && known.contains(NO_OWNER))
}

/// As an operator accepts it: the field, and where its values go. Commas part such words.
fn word(source: &Source, exit: &str) -> String {
    format!("secret:{}:{exit}", source.field).replace(',', ";")
}

fn shape(shape: &Shape) -> String {
    let Shape { public, alphabet, plain_endings, secret_characters_min } = shape;
    format!("shape:{public}:{alphabet:?}:{secret_characters_min}:{}", plain_endings.join("|"))
}

fn owner(names: &[String]) -> String {
    if names.is_empty() { NO_OWNER.to_owned() } else { format!("owner:{}", names.join("|")) }
}

/// None for a value that is not sent.
fn destination(destination: &Destination) -> Option<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let stored = |stored: &Option<StoredUrl>| {
        let named = |url: &StoredUrl| {
            let second = text(&url.second_name);
            format!("{}{}[{}|{second}]", url.prefix, url.key, url.named_by.join("|"))
        };
        stored.as_ref().map(named).unwrap_or_default()
    };
    match destination {
        Destination::Nowhere => None,
        Destination::Sibling { key, otherwise } => Some(format!("to:beside:{key}:{}", text(otherwise))),
        Destination::SiblingOrigin { key, stored: url } => Some(format!("to:origin:{key}:{}", stored(url))),
        Destination::Requested { field, stored: url, otherwise } => {
            Some(format!("to:request:{}:{}:{}", text(field), stored(url), text(otherwise)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::declaration::{AnsweredField, Call, RequestField, ShownField, StoredField, UnreadableField};
    use crate::session::tests::declaration;

    type Change = fn(&mut Class);

    /// The words for a change of the first class, of admin tokens.
    fn words(change: Change) -> Vec<String> {
        let mut changed = declaration();
        change(changed.classes.first_mut().unwrap());
        changed.exits_beyond(&declaration()).into_iter().collect()
    }

    #[test]
    fn every_way_to_widen_a_declaration_has_its_words() {
        let rows: [(Change, &[&str]); 7] = [
            (
                |class| class.bearer_of.push(Call { method: "GET".into(), path: "/steal".into() }),
                &["secret:astra_token:send:GET:/steal"],
            ),
            (
                |class| {
                    let shown = ShownField { paths: vec!["x".into()], at: vec!["t".into()], owner: vec![] };
                    class.shown_fields.push(shown);
                },
                &["secret:astra_token:show:x:t:owner:none"],
            ),
            (|class| class.becomes.push("kept-token".into()), &["secret:astra_token:keep:token/:token"]),
            (
                |class| {
                    let open = UnreadableField { prefix: "loot/".into(), at: vec!["a".into()] };
                    class.unreadable_fields.push(open);
                },
                &["secret:a:keep-unread:loot/", "secret:astra_token:keep:loot/:a"],
            ),
            (
                |class| class.stored_fields[0].destination = Destination::Sibling { key: "u".into(), otherwise: None },
                &["secret:astra_token:to:beside:u:"],
            ),
            (
                |class| class.shape.secret_characters_min += 1,
                &["secret:astra_token:shape:AstraCS:{}::LowerHex:17::redacted"],
            ),
            (
                |class| class.request_fields[0].destination = Destination::Sibling { key: "u".into(), otherwise: None },
                &["secret:astra_token:to:beside:u:"],
            ),
        ];
        for (change, expected) in rows {
            assert_eq!(words(change), expected);
        }
    }

    #[test]
    fn less_and_new_sources_alone_need_no_words() {
        let rows: [Change; 5] = [
            |_| {},
            |class| class.bearer_of.clear(),
            |class| class.stored_fields[0].owner = Some(StoredOwner::Key),
            |class| class.stored_fields[0].destination = Destination::Nowhere,
            |class| {
                class.answered_fields.push(AnsweredField {
                    call: Call { method: "GET".into(), path: "/keys".into() },
                    at: vec!["key".into()],
                });
            },
        ];
        for change in rows {
            assert_eq!(words(change), Vec::<String>::new());
        }
    }

    #[test]
    fn a_new_source_beside_a_new_exit_shows_all_its_exits() {
        let words = words(|class| {
            class.bearer_of.push(Call { method: "GET".into(), path: "/harmless".into() });
            class.request_fields.push(RequestField {
                paths: vec!["*".into()],
                at: vec!["astra_token".into()],
                destination: Destination::Nowhere,
                owner: vec![],
            });
        });
        // The source `*` is another name of each that was there.
        assert!(words.contains(&"secret:astra_token:send:DELETE:/v2/tokens/+".to_owned()), "{words:?}");
    }

    #[test]
    fn two_places_have_two_words_however_their_keys_are_written() {
        let places: [&[&str]; 8] = [
            &["configs", "*", "token"],
            &["configs", "*.token"],
            &["configs.*.token"],
            &["configs.*", "token"],
            &["configs", "*", "\"token"],
            &["[\"configs\"", "token]"],
            &["a", ""],
            &["a", "", ""],
        ];
        let words: BTreeSet<String> =
            places.iter().map(|at| dotted(&at.iter().map(|&key| key.to_owned()).collect())).collect();
        assert_eq!(words.len(), places.len(), "{words:?}");
        assert!(words.contains("configs.*.token") && words.contains(r#"["configs","*.token"]"#), "{words:?}");

        // So a source that only looks like a known one is new, and another place to keep a value needs its words.
        let mut other = declaration();
        other.classes[0].stored_fields[1].at = vec!["configs".into(), "*.astra_token".into()];
        assert!(!other.is_covered_by([&declaration()]));
        let beyond = other.exits_beyond(&declaration());
        assert!(beyond.contains(r#"secret:astra_token:keep:retired/:["configs";"*.astra_token"]"#), "{beyond:?}");
    }

    #[test]
    fn a_field_for_what_cannot_be_read_is_a_source() {
        let mut more = declaration();
        let open = UnreadableField { prefix: "token/".into(), at: vec!["damaged".into()] };
        more.classes[3].unreadable_fields.push(open);
        assert!(!more.is_covered_by([&declaration()]) && declaration().is_covered_by([&more]));
    }

    #[test]
    fn sources_are_covered_by_several_declarations_together() {
        let (mut one, mut two) = (declaration(), declaration());
        one.classes.truncate(1);
        two.classes.remove(0);
        // What `becomes` names is no source.
        assert!(!declaration().is_covered_by([&one]) && !declaration().is_covered_by([&two]));
        assert!(declaration().is_covered_by([&one, &two]) && Declaration::default().is_covered_by([]));
        let field = StoredField {
            prefix: "more/".into(),
            at: vec!["x".into()],
            destination: Destination::Nowhere,
            owner: None,
        };
        one.classes[0].stored_fields.push(field);
        assert!(!one.is_covered_by([&declaration()]));
    }
}
