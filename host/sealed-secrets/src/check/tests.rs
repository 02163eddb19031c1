use super::*;
use crate::declaration::{
    Alphabet, AnsweredField, Call, RequestField, Shape, ShownField, StoredField, StoredOwner, UnreadableField,
};

fn class() -> Class {
    Class {
        name: "admin-token".into(),
        shape: Shape {
            public: "AstraCS:{}:".into(),
            alphabet: Alphabet::LowerHex,
            plain_endings: vec![":redacted".into()],
            secret_characters_min: 16,
        },
        request_fields: vec![RequestField {
            paths: vec!["config/{org}".into()],
            at: vec!["astra_token".into()],
            destination: Destination::Requested {
                field: Some("url".into()),
                stored: Some(StoredUrl {
                    prefix: "config/".into(),
                    named_by: vec!["org".into()],
                    second_name: None,
                    key: "url".into(),
                }),
                otherwise: Some("https://api.example.com".into()),
            },
            owner: vec!["org".into()],
        }],
        stored_fields: vec![StoredField {
            prefix: "config/".into(),
            at: vec!["configs".into(), "*".into(), "token".into()],
            destination: Destination::Sibling { key: "url".into(), otherwise: None },
            owner: Some(StoredOwner::Sibling("orgId".into())),
        }],
        unreadable_fields: vec![UnreadableField { prefix: "config/".into(), at: vec!["damaged".into()] }],
        answered_fields: vec![AnsweredField {
            call: Call { method: "POST".into(), path: "/v2/tokens".into() },
            at: vec!["token".into()],
        }],
        bearer_of: vec![Call { method: "DELETE".into(), path: "/v2/tokens/+".into() }],
        shown_fields: vec![ShownField {
            paths: vec!["creds/+".into()],
            at: vec!["token".into()],
            owner: vec!["org".into()],
        }],
        becomes: vec!["admin-token".into()],
    }
}

type Change = fn(&mut Class);

fn checked(change: Change) -> Result<(), String> {
    let mut class = class();
    change(&mut class);
    Declaration { classes: vec![class] }.check().map_err(|error| error.to_string())
}

#[test]
fn what_is_wrong_with_a_declaration_is_named() {
    assert_eq!(checked(|_| {}), Ok(()));
    assert_eq!(Declaration::default().check(), Ok(()));
    let rows: [(Change, &str); 24] = [
        (|class| class.shown_fields[0].owner.push(String::new()), "`shown-fields` has an owner without a name"),
        (
            |class| class.stored_fields[0].owner = Some(StoredOwner::Sibling(String::new())),
            "`stored-fields` has an owner without a name",
        ),
        (|class| class.name.clear(), "`name`"),
        (|class| class.name = "Admin token".into(), "`name`"),
        (|class| class.name = "a".repeat(TEXT_BYTES_MAX + 1), "`name` has more than 1024 bytes"),
        (|class| class.shape.public = "{}".into(), "`shape.public`"),
        (|class| class.shape.public = "{}{}x".into(), "`shape.public`"),
        (|class| class.shape.plain_endings.push(String::new()), "`shape.plain-endings`"),
        (|class| class.shape.secret_characters_min = 15, "`shape.secret-characters-min` is below 16"),
        (|class| class.request_fields[0].paths.clear(), "`request-fields` has a field without a path"),
        (|class| class.request_fields[0].at.clear(), "`request-fields`: a place"),
        (|class| class.request_fields[0].at = vec!["*".into()], "`request-fields`: a place"),
        (|class| class.request_fields[0].at = vec!["a".into(); PLACE_DEPTH_MAX + 1], "`request-fields`: a place"),
        (|class| class.request_fields[0].paths = vec!["a".into(); LIST_ENTRIES_MAX + 1], "more than 64 entries"),
        (|class| class.stored_fields[0].prefix = "config".into(), "`stored-fields`: a prefix"),
        (|class| class.stored_fields[0].prefix = "/".into(), "`stored-fields`: a prefix"),
        (|class| class.stored_fields[0].prefix = "a/../".into(), "`stored-fields`: a prefix"),
        (
            |class| class.stored_fields[0].destination = class.request_fields[0].destination.clone(),
            "`stored-fields`: the destination",
        ),
        (
            |class| {
                class.stored_fields[0].destination =
                    Destination::Sibling { key: "u".into(), otherwise: Some("x".into()) };
            },
            "`otherwise` is no base URL",
        ),
        (|class| class.unreadable_fields[0].prefix.clear(), "`unreadable-fields`: a prefix"),
        (|class| class.answered_fields[0].call.path = "/v2/tokens?x".into(), "`answered-fields`: a call"),
        (|class| class.bearer_of[0].method = "get".into(), "`bearer-of`: a call"),
        (|class| class.bearer_of[0].path = "v2".into(), "`bearer-of`: a call"),
        (|class| class.becomes.push("other".into()), "`becomes`"),
    ];
    for (change, expected) in rows {
        let refused = checked(change);
        assert!(refused.as_ref().is_err_and(|text| text.contains(expected)), "{expected}: {refused:?}");
    }
}

#[test]
fn a_declaration_has_a_largest_number_of_classes_each_with_a_name_of_its_own() {
    let classes = |number: usize| {
        let named = |index| Class { name: format!("class-{index}"), becomes: vec![], ..class() };
        Declaration { classes: (0..number).map(named).collect() }
    };
    assert_eq!(classes(CLASSES_MAX).check(), Ok(()));
    assert!(classes(CLASSES_MAX + 1).check().is_err());
    assert!(Declaration { classes: vec![class(), class()] }.check().is_err());
}

#[test]
fn a_declaration_has_a_largest_number_of_fields_and_of_names() {
    let open = |prefix: usize| UnreadableField { prefix: format!("p{prefix}/"), at: vec!["a".into()] };
    let with =
        |class: &dyn Fn(usize) -> Class, number: usize| Declaration { classes: (0..number).map(class).collect() };
    let bare = |index: usize| Class {
        name: format!("class-{index}"),
        request_fields: vec![],
        stored_fields: vec![],
        answered_fields: vec![],
        shown_fields: vec![],
        unreadable_fields: vec![],
        becomes: vec![],
        ..class()
    };
    let of_fields =
        |index: usize| Class { unreadable_fields: (0..LIST_ENTRIES_MAX).map(open).collect(), ..bare(index) };
    let classes = FIELDS_MAX / LIST_ENTRIES_MAX;
    assert_eq!(with(&of_fields, classes).check(), Ok(()));
    let mut beyond = with(&of_fields, classes);
    beyond.classes.push(Class { unreadable_fields: vec![open(0)], ..bare(classes) });
    assert!(beyond.check().is_err_and(|error| error.to_string().contains("have 257 fields; at most 256")));

    let shown = || ShownField {
        paths: vec!["a".into()],
        at: vec!["a".into()],
        owner: (0..LIST_ENTRIES_MAX).map(|number| format!("name-{number}")).collect(),
    };
    let of_names = |index: usize| Class { shown_fields: vec![shown()], ..bare(index) };
    let classes = NAMES_MAX / LIST_ENTRIES_MAX;
    assert_eq!(with(&of_names, classes).check(), Ok(()));
    let mut beyond = with(&of_names, classes);
    beyond.classes.push(class());
    assert!(beyond.check().is_err_and(|error| error.to_string().contains("have 1027 names of owners and objects")));
}

/// A class whose values come from `sources` paths and are shown on `shown` paths, in fields of as many paths as one may have.
fn class_of_paths(sources: usize, shown: usize) -> Class {
    let paths = |field: usize| (0..LIST_ENTRIES_MAX).map(|path| format!("path-{field}-{path}")).collect();
    let at = |field: usize| vec![format!("key-{field}")];
    let requested =
        |field| RequestField { paths: paths(field), at: at(field), destination: Destination::Nowhere, owner: vec![] };
    let shown_on = |field| ShownField { paths: paths(field), at: at(field), owner: vec![] };
    Class {
        request_fields: (0..sources / LIST_ENTRIES_MAX).map(requested).collect(),
        shown_fields: (0..shown / LIST_ENTRIES_MAX).map(shown_on).collect(),
        stored_fields: vec![],
        answered_fields: vec![],
        ..class()
    }
}

#[test]
fn a_declaration_has_a_largest_number_of_paths() {
    let of = |class: Class| Declaration { classes: vec![class] }.check().map_err(|error| error.to_string());
    assert_eq!(of(class_of_paths(PATHS_MAX, 0)), Ok(()));
    assert_eq!(of(class_of_paths(0, PATHS_MAX)), Ok(()));
    let mut beyond = class_of_paths(PATHS_MAX, 0);
    beyond.shown_fields = class().shown_fields;
    assert_eq!(of(beyond), Err("its secrets have 257 paths; at most 256".to_owned()));
    // 4,096 sources, each with 4,096 exits.
    assert_eq!(of(class_of_paths(4_096, 4_096)), Err("its secrets have 8192 paths; at most 256".to_owned()));
}

#[test]
fn all_exits_of_all_sources_have_a_largest_size() {
    let of = |class: Class| Declaration { classes: vec![class] };
    let refused =
        |class: Class| of(class).check().is_err_and(|error| error.to_string().contains("262144 bytes to list"));
    // 128 sources, each with 128 exits, and 64 of each: their words take some 800 and 200 KiB.
    assert!(refused(class_of_paths(PATHS_MAX / 2, PATHS_MAX / 2)));
    assert_eq!(of(class_of_paths(PATHS_MAX / 4, PATHS_MAX / 4)).check(), Ok(()));
    // Few of them with long texts.
    let mut long = class_of_paths(LIST_ENTRIES_MAX, 0);
    long.bearer_of = vec![Call { method: "GET".into(), path: format!("/{}", "x".repeat(TEXT_BYTES_MAX - 1)) }; 4];
    assert!(refused(long));
}
