//! A toy backend, driven through everything that the framework does with a
//! table: routing, warnings, errors, leases, rollback, help and OpenAPI.

#![expect(clippy::unwrap_used, reason = "tests")]

mod rollback;

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::host::StorageError;
use crate::testing::{StorageCall, TestHost, check_table, lease_request, request};
use crate::{
    Backend, Context, Error, Field, FieldData, FieldType, Lease, Operation, OperationSpec, Path, Response, Secret,
    SecretKind, Segment, SpecialPaths, StorageVersions, Undo,
};

const NAME: Field = Field::new("name", FieldType::LowerCaseString, "Name of the thing.");

static TOY: Backend = Backend {
    name: "toy",
    version: "1.2.3",
    help: "\nKeeps toys.\n\nEach toy has a size.\n",
    special_paths: SpecialPaths {
        root: &["things/+"],
        unauthenticated: &["about"],
        local_storage: &[],
        seal_wrap_storage: &["wal/"],
    },
    storage_versions: StorageVersions { written: 1, readable_from: 1 },
    paths: &[
        Path {
            pattern: &[Segment::Literal("things")],
            list: true,
            fields: &[Field::new("prefix", FieldType::String, "Only names that begin so.")],
            operations: &[OperationSpec::new(Operation::List, list, "List the things.").answering(&[
                Field::new("keys", FieldType::CommaStringSlice, "Names."),
                Field::new("key_info", FieldType::Map, "More about each."),
            ])],
            existence_check: None,
            synopsis: "Lists things.",
            description: "Names only.",
        },
        Path {
            pattern: &[Segment::Literal("things"), Segment::Capture("name")],
            list: false,
            fields: &[
                NAME,
                Field::new("size", FieldType::Int64, "Its size,\n  in centimetres.").required(),
                Field::new("color", FieldType::String, "Its colour.").or("red"),
                Field::new("ttl", FieldType::DurationSecond, "How long it lasts.").or("1h"),
                Field::new("tags", FieldType::CommaStringSlice, "Its tags."),
                Field::new("labels", FieldType::KvPairs, "Its labels."),
            ],
            operations: &[
                OperationSpec::new(Operation::Create, write, "Make a thing."),
                OperationSpec::new(Operation::Read, read, "Read a thing.").answering(&[
                    NAME,
                    Field::new("size", FieldType::Int64, "Its size."),
                    Field::new("new", FieldType::Bool, "Was it made by a create?"),
                ]),
                OperationSpec::new(Operation::Update, write, "Change a thing.").named("paint", "thing"),
                OperationSpec::new(Operation::Delete, remove, "Delete a thing."),
            ],
            existence_check: Some(exists),
            synopsis: "Manages a thing.",
            description: "A thing has a size and a colour.",
        },
        Path {
            pattern: &[Segment::Literal("about")],
            list: false,
            fields: &[],
            operations: &[OperationSpec::new(Operation::Read, about, "About the engine.").answering(&[NAME])],
            existence_check: None,
            synopsis: "About this engine.",
            description: "Its name.",
        },
    ],
    secrets: &[
        SecretKind { kind: "toy", renew: Some(renew), revoke },
        SecretKind { kind: "fixed", renew: None, revoke },
    ],
    secret_classes: &[],
    rollback: Some(undo),
    periodic: Some(periodic),
};

fn list(_: &Context<'_>, _: &FieldData) -> Result<Option<Response>, Error> {
    Ok(None)
}

fn write(context: &Context<'_>, fields: &FieldData) -> Result<Option<Response>, Error> {
    if fields.int("size") == Some(13) {
        return Err(Error::mistake("size 13 brings bad luck"));
    }
    let is_new = context.request.operation == Operation::Create;
    let data = json!({ "name": fields.text("name"), "size": fields.int("size"), "new": is_new });
    Response::json(&data).map(Some)
}

fn read(_: &Context<'_>, fields: &FieldData) -> Result<Option<Response>, Error> {
    match fields.text("name") {
        Some("gone") => Ok(None),
        Some("broken") => Err(Error::coded(502, "the shelf broke")),
        name => Response::json(&json!({ "name": name })).map(Some),
    }
}

fn remove(_: &Context<'_>, _: &FieldData) -> Result<Option<Response>, Error> {
    Ok(None)
}

fn about(_: &Context<'_>, _: &FieldData) -> Result<Option<Response>, Error> {
    Response::json(&json!({ "name": "toy" })).map(Some)
}

fn exists(context: &Context<'_>, fields: &FieldData) -> Result<bool, Error> {
    let key = format!("thing/{}", fields.text("name").unwrap_or_default());
    Ok(context.storage().get(&key)?.is_some())
}

fn renew(_: &Context<'_>, lease: &Lease) -> Result<Option<Response>, Error> {
    let (internal_data, renewable) = (lease.internal_data.clone(), true);
    let secret = Secret { ttl: lease.increment, max_ttl: lease.max_ttl, renewable, internal_data };
    Ok(Some(Response::default().leased(secret)))
}

fn revoke(_: &Context<'_>, _: &Lease) -> Result<Option<Response>, Error> {
    Ok(None)
}

/// Marks what it undid; fails for `stuck`, and takes its time for `slow`.
fn undo(context: &Context<'_>, kind: &str, data: &Value) -> Result<Undo, Error> {
    match kind {
        "foreign" => return Ok(Undo::Impossible("the kind of the entry is unknown".to_owned())),
        "stuck" => return Err(Error::coded(502, "upstream is away")),
        "slow" => context.host.clock().sleep(Duration::from_secs(15)),
        "hangs" => {
            context.host.clock().sleep(Duration::from_secs(5));
            return Err(Error::coded(504, "upstream hangs"));
        }
        _ => {}
    }
    let key = format!("undone/{}", data.as_str().unwrap_or_default());
    context.storage().put(crate::host::StorageEntry { key, value: Vec::new(), seal_wrap: false })?;
    Ok(Undo::Done)
}

fn periodic(context: &Context<'_>, immediate: bool) -> Result<(), Error> {
    context.log(crate::host::LogLevel::Info, &format!("periodic, immediate: {immediate}"), &[]);
    Ok(())
}

fn handle(operation: Operation, path: &str, data: Value) -> Result<Option<Response>, Error> {
    TOY.handle(&TestHost::new(), &request(operation, path, data))
}

fn answered(operation: Operation, path: &str, data: Value) -> (Value, Vec<String>) {
    let response = handle(operation, path, data).unwrap().unwrap();
    (serde_json::from_str(response.data.as_deref().unwrap()).unwrap(), response.warnings)
}

#[test]
fn the_table_is_in_order() {
    assert_eq!(check_table(&TOY), Vec::<String>::new());
}

#[test]
fn the_paths_with_an_existence_check_are_told() {
    assert_eq!(TOY.checked_paths(), ["things/{name}"]);
}

#[test]
fn check_table_finds_what_is_wrong() {
    const BAD: Path = Path {
        pattern: &[Segment::Literal("a/b"), Segment::Capture("x")],
        list: false,
        fields: &[Field::new("n", FieldType::Int64, "").or("many"), Field::new("n", FieldType::Int64, "n")],
        operations: &[OperationSpec::new(Operation::List, list, "")],
        existence_check: Some(exists),
        synopsis: "",
        description: "d",
    };
    static WRONG: Backend = Backend {
        name: "wrong",
        version: "0",
        help: "",
        special_paths: SpecialPaths { root: &[], unauthenticated: &[], local_storage: &[], seal_wrap_storage: &[] },
        storage_versions: StorageVersions { written: 1, readable_from: 1 },
        paths: &[BAD, BAD],
        secrets: &[],
        secret_classes: &[],
        rollback: None,
        periodic: None,
    };
    let problems = check_table(&WRONG).join("\n");
    for expected in [
        "literal `a/b` is not plain text",
        "capture `x` is no field",
        "has no synopsis",
        "field `n` has no description",
        "the default of field `n` does not fit",
        "field `n` is there twice",
        "operation list has no summary",
        "is no list path",
        "not both create and update",
        "matches what ^a/b/(?P<x>[^/]+)$ matches",
    ] {
        assert!(problems.contains(expected), "{expected} is not in:\n{problems}");
    }
}

#[test]
fn requests_are_routed_by_path_and_operation() {
    assert_eq!(answered(Operation::Read, "things/Ball", Value::Null).0, json!({"name": "ball"}));
    assert!(handle(Operation::List, "things/", Value::Null).unwrap().is_none());
    assert!(handle(Operation::Delete, "things/ball", Value::Null).unwrap().is_none());
    let refused = |operation, path| handle(operation, path, Value::Null).unwrap_err();
    assert_eq!(refused(Operation::Read, "nothing"), Error::UnsupportedPath);
    assert_eq!(refused(Operation::Read, ""), Error::UnsupportedPath);
    assert_eq!(refused(Operation::Help, "nothing"), Error::UnsupportedPath);
    assert_eq!(refused(Operation::Patch, "things/ball"), Error::UnsupportedOperation);
    assert_eq!(refused(Operation::Read, "things"), Error::UnsupportedOperation);
    assert_eq!(refused(Operation::Read, "things/broken"), Error::coded(502, "the shelf broke"));
}

#[test]
fn vain_parameters_are_told() {
    let data = json!({"zeta": 1, "name": "other", "alpha": 2, "size": 3});
    let (data, warnings) = answered(Operation::Create, "things/ball", data);
    assert_eq!(data, json!({"name": "ball", "size": 3, "new": true}));
    assert_eq!(
        warnings,
        [
            "Endpoint ignored these unrecognized parameters: [alpha zeta]",
            "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [name]",
        ]
    );
    assert!(answered(Operation::Create, "things/ball", json!({"name": null})).1.is_empty());
    // A list that is empty stays a 404, and what is not there to be read, too.
    assert!(handle(Operation::List, "things/", json!({"zeta": 1})).unwrap().is_none());
    // A write and a delete that have nothing to answer but the warning answer that.
    let response = handle(Operation::Delete, "things/ball", json!({"zeta": 1})).unwrap().unwrap();
    assert_eq!((response.data, response.warnings.len()), (None, 1));
    let error = answered(Operation::Create, "things/ball", json!({"size": 13, "zeta": 1}));
    assert_eq!(error.0, json!({"error": "size 13 brings bad luck"}));
    assert_eq!(error.1.len(), 1);
}

#[test]
fn fields_that_cannot_be_read_are_mistakes_of_the_caller() {
    let (data, warnings) = answered(Operation::Update, "things/ball", json!({"size": "big", "zeta": 1}));
    let text = "error converting input for field \"size\": \
                '' cannot parse value as 'int64': strconv.ParseInt: invalid syntax";
    assert_eq!(data, json!({ "error": format!("Field validation failed: {text}") }));
    assert!(warnings.is_empty());
    let check =
        TOY.check_existence(&TestHost::new(), &request(Operation::Update, "things/ball", json!({"size": "big"})));
    assert_eq!(check, None, "the request tells it");
}

#[test]
fn existence_is_checked_where_the_path_says_how() {
    let host = TestHost::new();
    host.storage.seed("thing/ball", "");
    let check = |operation, path| TOY.check_existence(&host, &request(operation, path, Value::Null));
    assert_eq!(check(Operation::Update, "things/Ball"), Some(true));
    assert_eq!(check(Operation::Update, "things/car"), Some(false));
    assert_eq!(check(Operation::Update, "about"), None);
    assert_eq!(check(Operation::Update, "nothing"), None);
    assert_eq!(host.log.text(), "");
    let error = StorageError::Failed("no disk".to_owned());
    host.storage.fail_prefix(StorageCall::Get, "thing/", error);
    assert_eq!(check(Operation::Update, "things/ball"), None, "not known is neither there nor not there");
    let log = host.log.text();
    assert!(log.contains("things/ball") && log.contains("no disk"), "{log}");
}

#[test]
fn an_update_makes_nothing_that_is_not_there() {
    let host = TestHost::new();
    let ask = |operation| TOY.handle(&host, &request(operation, "things/car", json!({ "size": 3 })));
    let error = ask(Operation::Update).unwrap_err();
    assert!(matches!(&error, Error::Coded { code: 503, message } if message.contains("`things/car`")), "{error:?}");
    assert!(host.storage.keys().is_empty());
    ask(Operation::Create).unwrap();
    host.storage.seed("thing/car", "");
    ask(Operation::Update).unwrap();
}

#[test]
fn leases_go_to_their_secret_kind() {
    let lease = |data: Value| {
        let internal_data = data.as_object().cloned().unwrap_or_default();
        Lease { increment: Duration::from_secs(60), internal_data, ..Lease::default() }
    };
    let handle = |operation, data| TOY.handle(&TestHost::new(), &lease_request(operation, "any/path", lease(data)));
    let renewed = handle(Operation::Renew, json!({"secret_type": "toy"})).unwrap().unwrap();
    assert_eq!(renewed.secret.unwrap().ttl, Duration::from_secs(60));
    assert!(handle(Operation::Revoke, json!({"secret_type": "fixed"})).unwrap().is_none());
    assert_eq!(handle(Operation::Renew, json!({"secret_type": "fixed"})).unwrap_err(), Error::UnsupportedOperation);
    for data in [json!({"secret_type": "other"}), json!({"secret_type": 5}), json!({})] {
        let text = "secret is unsupported by this backend".to_owned();
        assert_eq!(handle(Operation::Revoke, data).unwrap_err(), Error::Plain(text));
    }
    let without = TOY.handle(&TestHost::new(), &request(Operation::Renew, "any", Value::Null));
    assert_eq!(without.unwrap_err(), Error::Plain("request has no secret".to_owned()));
}

#[test]
fn a_secret_carries_its_kind() {
    let empty = Secret { ttl: Duration::ZERO, max_ttl: Duration::ZERO, renewable: true, internal_data: Map::new() };
    assert_eq!(TOY.secrets[0].secret(empty).internal_data["secret_type"], "toy");
}

fn help(path: &str, data: Value) -> Value {
    answered(Operation::Help, path, data).0
}

#[test]
fn help_texts() {
    insta::assert_snapshot!("help_of_backend", help("", Value::Null)["help"].as_str().unwrap());
    insta::assert_snapshot!("help_of_path", help("things/ball", Value::Null)["help"].as_str().unwrap());
    insta::assert_snapshot!("help_without_fields", help("about", Value::Null)["help"].as_str().unwrap());
    assert_eq!(help("about", Value::Null)["see_also"], Value::Null);
}

#[test]
fn openapi_documents() {
    let document = serde_json::to_string_pretty(&help("", Value::Null)["openapi"]).unwrap();
    insta::assert_snapshot!("openapi", document);
    let one = help("about", Value::Null)["openapi"]["paths"].clone();
    assert_eq!(one.as_object().unwrap().keys().collect::<Vec<_>>(), ["/about"]);
}

#[test]
fn the_server_names_the_plugin_in_operation_ids() {
    let document = &help("", json!({"requestResponsePrefix": "plug-in"}))["openapi"];
    assert_eq!(document["paths"]["/about"]["get"]["operationId"], "plug-in-read-about");
    assert!(document["components"]["schemas"].get("PlugInReadAboutResponse").is_some());
}
