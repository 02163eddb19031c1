//! The host's paths as a table of the framework, from which come the check of requests, help and OpenAPI.

use secrets_framework::Segment::Literal;
use secrets_framework::{
    Backend, Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Path, Response, SpecialPaths,
    StorageVersions,
};

/// All paths of the host.
pub(super) static TABLE: Backend = Backend {
    name: crate::PROGRAM,
    version: crate::VERSION,
    help: "The plugin itself serves these paths, whatever engine it runs.",
    special_paths: SpecialPaths { root: &[], unauthenticated: &[], local_storage: &[], seal_wrap_storage: &[] },
    storage_versions: StorageVersions { written: 0, readable_from: 0 },
    paths: &PATHS,
    secrets: &[],
    secret_classes: &[],
    rollback: None,
    periodic: None,
};

const PATHS: [Path; 5] = [
    Path {
        pattern: &[Literal("metrics")],
        fields: &[field(
            "format",
            FieldType::String,
            "`json` = as data; `prometheus` = as the text that Prometheus reads, which the server passes on as it is.",
        )
        .or("json")],
        operations: &[operation(Operation::Read, "Read the metrics of this mount.", METRICS).named("read", "metrics")],
        synopsis: "Read the metrics of this mount on this node.",
        description: "The host counts the requests of this mount on this node since the process started or the mount was \
                      reloaded. The engine adds what lies in the mount's storage. Nothing is of another mount.",
        ..PATH
    },
    Path {
        pattern: &[Literal("module")],
        operations: &[
            operation(Operation::Read, "Read which module serves this mount.", STATUS).named("read", "module")
        ],
        synopsis: "Read which module serves this mount.",
        description: "The code of a secrets engine is a module, which this plugin runs. The answer names the module \
                      that serves the mount on this node, since when and why it may run, the module that served \
                      before, and all other modules with the reason why they do not serve.",
        ..PATH
    },
    Path {
        pattern: &[Literal("module"), Literal("reload")],
        operations: &[operation(Operation::Update, "Reconcile with the directory of modules now.", STATUS)
            .named("reload", "module")],
        synopsis: "Reconcile with the directory of modules now.",
        description: "Activates the best module of the directory, as happens automatically when a file appears there. \
                      Modules that were rejected before are tried again. Answers as `module` does.",
        ..PATH
    },
    Path {
        pattern: &[Literal("module"), Literal("rollback")],
        fields: &[field(
            "force",
            FieldType::Bool,
            "Revert also to a module that does not know the storage that the newer one writes.",
        )],
        operations: &[operation(Operation::Update, "Revert to the module that served before.", CHANGED)
            .named("roll-back", "module")],
        synopsis: "Revert to the module that served before.",
        description: "New requests go to the previous module, at once. The module that is reverted is not activated \
                      again automatically: `module/use` with its digest activates it again.",
        ..PATH
    },
    Path {
        pattern: &[Literal("module"), Literal("use")],
        fields: &[
            field(
                "version",
                FieldType::String,
                "A version such as `3.1.0`, or `latest`. Not needed with `digest`: no version is held then.",
            ),
            field(
                "digest",
                FieldType::String,
                "The SHA-256 of the module: if several modules have this version, or in place of the version.",
            ),
            field(
                "force",
                FieldType::Bool,
                "Activate the module also if no revert would be possible, because of the storage that it writes.",
            ),
            field(
                "accept_capabilities",
                FieldType::CommaStringSlice,
                "Exactly the capabilities that the module asks for beyond those of the active one, as `module` names \
                 them.",
            ),
        ],
        operations: &[operation(Operation::Update, "Select the module that serves.", CHANGED).named("use", "module")],
        synopsis: "Select the module that serves.",
        description: "Activates this version and holds it, until another one is selected. With `latest`, the highest \
                      version that may run is active again. A module that was rejected is tried again when it is \
                      selected.",
        ..PATH
    },
];

const PATH: Path = Path {
    pattern: &[],
    list: false,
    fields: &[],
    operations: &[],
    existence_check: None,
    synopsis: "",
    description: "",
};

const METRICS: &[Field] = &[field(
    "families",
    FieldType::Slice,
    "The metrics: for each `name`, `type`, `help` and `samples`, which have `labels`, `value` and, for the parts of a \
     histogram, `suffix`.",
)];

const STATUS: &[Field] = &[
    field("state", FieldType::String, "`starting`, `nothing serves`, `on trial` or `serves`."),
    field("engine", FieldType::String, "The engine of the active module."),
    field("version", FieldType::String, "The version of the active module."),
    field("digest", FieldType::String, "The SHA-256 of the active module."),
    field("origin", FieldType::String, "`embedded`, or the file in the directory of modules."),
    field("approval", FieldType::String, "Why the module may run: `embedded`, `pinned` or `signed`."),
    field("signers", FieldType::CommaStringSlice, "The keys of the registration that signed the module."),
    field("since", FieldType::String, "The time at which the module was activated."),
    field("previous", FieldType::Map, "The module to which `module/rollback` reverts."),
    field("held", FieldType::Map, "The module that `module/use` holds."),
    field("candidates", FieldType::Slice, "The other modules, best first, with the reason why each does not serve."),
    field("refused_files", FieldType::Slice, "Files of the directory that are no modules, with the reason."),
    field(
        "sealed_secrets",
        FieldType::CommaStringSlice,
        "What the host keeps from the module: for each class of secrets, where its values come from and may go.",
    ),
    field(
        "problem",
        FieldType::String,
        "Why the modules could not be listed, why a fallback serves, or what is loading while nothing serves.",
    ),
    field("node_local", FieldType::Bool, "This node cannot write to storage: the answer holds for this node only."),
];

const CHANGED: &[Field] = &[
    field("engine", FieldType::String, "The engine of the module."),
    field("version", FieldType::String, "The version of the module."),
    field("live", FieldType::Bool, "Does the module serve? If not, a warning says what is left to do."),
];

const fn field(name: &'static str, kind: FieldType, description: &'static str) -> Field {
    Field::new(name, kind, description)
}

const fn operation(operation: Operation, summary: &'static str, response: &'static [Field]) -> OperationSpec {
    OperationSpec::new(operation, no_handler, summary).answering(response)
}

/// A module controller is asynchronous and a handler is not, so the host serves each operation after the check.
fn no_handler(_: &Context<'_>, _: &FieldData) -> Result<Option<Response>, Error> {
    Err(Error::UnsupportedOperation)
}
