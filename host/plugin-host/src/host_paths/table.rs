//! One table of the host's paths, from which requests are checked and help and OpenAPI are written.

use envelope::Operation;

use super::fields::{Field, Kind};

/// One path.
pub(super) struct HostPath {
    /// The whole of it.
    pub(super) name: &'static str,
    pub(super) synopsis: &'static str,
    pub(super) description: &'static str,
    /// Of the OpenAPI operation, after `<prefix>-`.
    pub(super) operation_id: &'static str,
    pub(super) reads: bool,
    pub(super) fields: &'static [Field],
    pub(super) response: &'static [Field],
}

impl HostPath {
    /// A write is an update: there is no existence check. A client that creates is let in, too.
    pub(super) fn serves(&self, operation: Operation) -> bool {
        match operation {
            Operation::Read => self.reads,
            Operation::Create | Operation::Update => !self.reads,
            _ => false,
        }
    }
}

/// The path of this name.
pub(super) fn find(path: &str) -> Option<&'static HostPath> {
    PATHS.iter().find(|host_path| host_path.name == path)
}

const fn field(name: &'static str, kind: Kind, description: &'static str) -> Field {
    Field { name, kind, description }
}

const STATUS: &[Field] = &[
    field("state", Kind::Text, "`starting`, `nothing serves`, `on trial` or `serves`."),
    field("engine", Kind::Text, "The engine of the module that serves."),
    field("version", Kind::Text, "Its version."),
    field("digest", Kind::Text, "The SHA-256 of its bytes."),
    field("origin", Kind::Text, "`embedded`, or its file in the directory of modules."),
    field("approval", Kind::Text, "Why it may run: `embedded`, `pinned` or `signed`."),
    field("signers", Kind::List, "The keys that signed it, of those that the registration names."),
    field("since", Kind::Text, "Since when it serves."),
    field("previous", Kind::Map, "What served before it, for `module/rollback`."),
    field("held", Kind::Map, "What `module/use` holds."),
    field("candidates", Kind::List, "The modules that are there, best first, and why each does not serve."),
    field("refused_files", Kind::List, "Files of the directory that are no modules at all, and why."),
    field("problem", Kind::Text, "Why the modules could not be looked at, or why another one serves than should."),
    field("node_local", Kind::Bool, "This is not in storage, since this node cannot write: it is true of it only."),
];

const CHANGED: &[Field] = &[
    field("engine", Kind::Text, "The module's engine."),
    field("version", Kind::Text, "Its version."),
    field("live", Kind::Bool, "Does it serve? If not, the warning says what is still to be done."),
];

/// All of them, by name.
pub(super) const PATHS: [HostPath; 4] = [
    HostPath {
        name: "module",
        synopsis: "Read which module serves this mount.",
        description: "The code of a secrets engine is a module, which this plugin runs. Read here which one serves \
                      the mount on this node, since when and by whose word, which one served before, and which others \
                      are there and why they do not serve.",
        operation_id: "read-module",
        reads: true,
        fields: &[],
        response: STATUS,
    },
    HostPath {
        name: "module/reload",
        synopsis: "Look at the directory of modules now.",
        description: "Goes live with the best module that is there, as happens by itself when a file is put into the \
                      directory. What was refused before is tried again. Answers as `module` does.",
        operation_id: "reload-module",
        reads: false,
        fields: &[],
        response: STATUS,
    },
    HostPath {
        name: "module/rollback",
        synopsis: "Go back to the module that served before.",
        description: "New requests go to the module that served before, at once. The one that goes does not come \
                      back by itself: `module/use` with its digest takes it again.",
        operation_id: "roll-back-module",
        reads: false,
        fields: &[field("force", Kind::Bool, "Also where it does not know the storage that the newer one writes.")],
        response: CHANGED,
    },
    HostPath {
        name: "module/use",
        synopsis: "Name the module that is to serve.",
        description: "Goes live with this version and holds it, until another is named; `latest` lets the highest \
                      version that may run follow again. A module that was refused here is tried again when it is \
                      named.",
        operation_id: "use-module",
        reads: false,
        fields: &[
            field(
                "version",
                Kind::Text,
                "A version such as `3.1.0`, or `latest`. Not needed with `digest`: nothing is held then.",
            ),
            field(
                "digest",
                Kind::Text,
                "The SHA-256 of its bytes: where several modules have this version, or in place of it.",
            ),
            field("force", Kind::Bool, "Also where there would be no way back, because of the storage it writes."),
            field(
                "accept_capabilities",
                Kind::List,
                "All that it may ask for more than the one before it, exactly: as `module` tells when it is refused.",
            ),
        ],
        response: CHANGED,
    },
];
