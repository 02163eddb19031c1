//! The floors of our crates: each module uses only modules that stand before it in its crate's list.

mod source;

use std::collections::{BTreeMap, BTreeSet};

use harness::workspace_root;

use source::{Module, Uses};

/// A crate, and its modules from the lowest floor to the highest.
struct Floors {
    folder: &'static str,
    modules: &'static [&'static str],
}

const CRATES: [Floors; 11] = [
    Floors {
        folder: "guest/astra-secrets/src",
        modules: &[
            // Modules without knowledge of the engine.
            "version",
            "limits",
            "back_off",
            "names",
            "time_text",
            "duration_form",
            "page",
            "counters",
            "events",
            "who",
            "mark",
            // Storage and time.
            "storage",
            "secret_classes",
            "lock",
            "schedule",
            "schedule_queue",
            "read_only",
            "tainted",
            // Stored values.
            "config",
            "role",
            "history",
            "record",
            // The client of Astra.
            "client",
            "admin_refusal",
            "astra_role",
            // The life of a token.
            "astra_token",
            "mint",
            "static_role",
            "in_use",
            "ending",
            "lease",
            "admin_rotation",
            "static_rotation",
            "held_tokens",
            "admin_end",
            "tidy",
            // The server's periodic call.
            "rollback",
            "periodic",
            // Paths.
            "report",
            "metrics",
            "check",
            "path_config",
            "path_role",
            "path_org_token",
            "path_creds",
            "path_tokens",
            "path_static_roles",
            "path_static_creds",
            "path_rotate_role",
            "path_rotate_root",
            "path_sync_roles",
            "path_check",
            "path_tidy",
            "path_report",
            "path_metrics",
            "path_info",
            "backend",
        ],
    },
    Floors {
        folder: "guest/secrets-framework/src",
        modules: &[
            "limits",
            "sensitive",
            "template",
            "escape",
            "host",
            "error",
            "entry",
            "duration",
            "number",
            "field",
            "request",
            "context",
            "response",
            "secret",
            "path",
            "pattern",
            "wal",
            "passed_over",
            "turns",
            "secret_class",
            "table",
            "openapi",
            "help",
            "rollback",
            "backend",
            "testing",
        ],
    },
    Floors {
        folder: "guest/http-passwords/src",
        modules: &["limits", "template", "fields", "config", "secret_classes", "role", "service", "creds"],
    },
    Floors { folder: "host/envelope/src", modules: &["error", "request", "response", "storage", "system_view"] },
    Floors {
        folder: "host/insight/src",
        modules: &[
            "limits", "text", "settings", "client", "report", "summary", "fetch", "csv", "table", "page", "check",
        ],
    },
    Floors { folder: "host/local-server/src", modules: &["storage", "mount", "lease", "outcome", "server"] },
    Floors {
        folder: "host/plugin-protocol/src",
        modules: &[
            // Modules without knowledge of a connection.
            "limits",
            "gen",
            "wire",
            "task",
            "exit",
            "hclog",
            "translate",
            "backend",
            // From the start of the process to a connection.
            "handshake",
            "socket",
            "mtls",
            "scrub",
            "incoming",
            "first_frame",
            "grpc_server",
            "connection",
            "broker",
            // Calls to the server.
            "storage_calls",
            "transaction",
            "storage_client",
            "system_view_client",
            // Calls of the server.
            "factory",
            "mounts",
            "go_plugin",
            "backend_server",
            "serve",
            "testing",
        ],
    },
    Floors {
        folder: "host/sealed-secrets/src",
        modules: &[
            "limits",
            "declaration",
            "words",
            "exits",
            "random",
            "pattern",
            "base_url",
            "json",
            "shape",
            "check",
            "rules",
            "table",
            "session",
        ],
    },
    Floors {
        folder: "host/component-runtime/src",
        modules: &[
            // Modules without knowledge of a guest.
            "limits",
            "budget",
            "processor_share",
            "turns",
            "hardening",
            "compiler_sandbox",
            "description",
            "sealed",
            "memory_ceiling",
            "memory_account",
            "error",
            "header",
            "surrogates",
            "held_secrets",
            "output",
            // A guest's capabilities and their limits.
            "storage_share",
            "capability",
            "egress",
            "permits",
            "message_share",
            "weight",
            "epoch",
            "ticker",
            "lane",
            "mount",
            "store_state",
            "bindings",
            "imports",
            "http_types",
            "linker",
            // The engine and its compiler.
            "engine",
            "pool",
            "aot",
            "compiler_progress",
            "compiler_process",
            "compiler",
            "shared",
            // One call.
            "fault",
            "invoke",
            // Modules.
            "module",
            "loader",
            "inspect",
            "runtime",
            "bin",
        ],
    },
    Floors {
        folder: "host/modules/src",
        modules: &[
            "limits",
            "encoding",
            "blocking",
            "notices",
            // The identity of a module, and its signatures.
            "identity",
            "scoped",
            "candidate",
            "signature",
            "signature_file",
            "trust",
            // Sources of modules.
            "directory",
            "reader",
            "watch",
            "cache",
            "loaded_modules",
            "source",
            "registry",
            // The module of a mount.
            "controller",
        ],
    },
    Floors {
        folder: "host/plugin-host/src",
        modules: &[
            "limits",
            "failure",
            "files",
            // The embedded component.
            "code_slot",
            "component",
            // Arguments.
            "cache_key",
            "network_args",
            "egress_args",
            "module_args",
            "config",
            // Serving, and the commands for people.
            "metrics",
            "host_paths",
            "bridge",
            "cli",
        ],
    },
];

/// Files of the largest allowed circle: nobody can understand a larger one file by file.
const CIRCLE_FILES_MAX: usize = 4;

#[test]
fn every_module_uses_only_modules_on_lower_floors() {
    for Floors { folder, modules } in CRATES {
        let faults = faults(&source::read(&workspace_root().join(folder)), modules);
        assert!(faults.is_empty(), "{folder}: {faults:#?}");
    }
}

#[test]
fn no_circle_of_files_has_more_than_four() {
    for Floors { folder, .. } in CRATES {
        let circle = largest_circle(&source::read(&workspace_root().join(folder)));
        assert!(circle.len() <= CIRCLE_FILES_MAX, "{folder}: {circle:#?}");
    }
}

#[test]
fn a_use_of_a_higher_floor_is_a_fault_however_it_is_written() {
    for upward in [
        "use crate::high::Thing;",
        "use crate::{low, high as other};",
        "use crate::{low::{self, x}, high::{Thing as Other}};",
        "use super::high;",
        "use crate::again::Thing;",
        "fn f() -> crate::high::Thing { loop {} }",
        "fn f() { let text = format!(\"{}\", super::high::x()); }",
    ] {
        let uses = small_crate(upward);
        assert_eq!(faults(&uses, &["low", "high", "again"]), ["`low` uses `high`"], "{upward}");
        assert_eq!(faults(&uses, &["high", "again", "low"]), [""; 0], "{upward}");
    }
    for allowed in [
        "#[cfg(test)] mod tests { use crate::high::Thing; }",
        "#[cfg(test)] use crate::high::Thing;",
        "// use crate::high::Thing;\nconst X: &str = \"use crate::high::Thing;\";",
        "mod child;\nuse std::fmt;",
    ] {
        assert_eq!(faults(&small_crate(allowed), &["low", "high", "again"]), [""; 0], "{allowed}");
    }
}

#[test]
fn a_module_that_is_not_listed_and_one_that_is_not_there_are_faults() {
    let uses = small_crate("");
    assert_eq!(faults(&uses, &["low", "again"]), ["`high` is on no floor"]);
    assert_eq!(faults(&uses, &["low", "high", "again", "none"]), ["`none` is not there"]);
}

#[test]
fn a_circle_of_files_is_found() {
    let uses = small_crate("use crate::high::Thing;");
    assert_eq!(largest_circle(&uses), BTreeSet::new());
    let circle = sources(&[
        ("", "mod a; mod b; mod c;"),
        ("a", "use crate::b;"),
        ("b", "use crate::c;"),
        ("c", "use crate::a;"),
        ("a/own", "use super::x;"),
    ]);
    assert_eq!(largest_circle(&source::uses_of(&circle)).len(), 3);
}

/// A crate with the modules `low` (with this text, a child and tests), `high`, and `again`, which re-exports.
fn small_crate(low: &str) -> Uses {
    source::uses_of(&sources(&[
        ("", "mod low; mod high; mod again;"),
        ("low", &format!("{low}\n#[cfg(test)] mod tests;")),
        ("low/child", "use super::X;"),
        ("low/tests", "use crate::high::Thing;"),
        ("high", "pub(crate) struct Thing;"),
        ("again", "pub(crate) use crate::high::Thing;"),
    ]))
}

fn sources(files: &[(&str, &str)]) -> BTreeMap<Module, String> {
    let module = |path: &str| path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    files.iter().map(|(path, text)| (module(path), (*text).to_owned())).collect()
}

/// The wrong uses between these modules, by the list of their floors.
fn faults(uses: &Uses, floors: &[&str]) -> Vec<String> {
    let floor = |name: &str| floors.iter().position(|listed| *listed == name);
    let there: BTreeSet<&str> = uses.keys().filter_map(|module| module.first()).map(String::as_str).collect();
    let unlisted = there.iter().filter(|name| floor(name).is_none()).map(|name| format!("`{name}` is on no floor"));
    let gone = floors.iter().filter(|name| !there.contains(*name)).map(|name| format!("`{name}` is not there"));
    let upward = uses.iter().flat_map(|(from, used)| used.iter().map(move |to| (from, to))).filter_map(|(from, to)| {
        let (low, high) = (from.first()?, to.first()?);
        let goes_up = low != high && floor(low)? < floor(high)?;
        goes_up.then(|| format!("`{}` uses `{}`", from.join("::"), to.join("::")))
    });
    unlisted.chain(gone).chain(upward).collect()
}

/// The largest set of files each of which uses all others, directly or indirectly.
fn largest_circle(uses: &Uses) -> BTreeSet<Module> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = uses.keys().map(|from| (from, reach(uses, from))).collect();
    let circle_of = |module: &Module| -> BTreeSet<Module> {
        let others = reached.get(module).into_iter().flatten();
        let in_circle = |other: &&&Module| reached.get(**other).is_some_and(|back| back.contains(module));
        others.filter(in_circle).map(|other| (*other).clone()).collect()
    };
    uses.keys().map(circle_of).max_by_key(BTreeSet::len).unwrap_or_default()
}

fn reach<'a>(uses: &'a Uses, from: &Module) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Module> = uses.get(from).into_iter().flatten().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(uses.get(module).into_iter().flatten());
        }
    }
    reached
}
