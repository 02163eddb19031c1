//! The capabilities that a component may ask the host for, and their names.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::LoadError;

/// One service of the host. A module asks for capabilities by its imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Read and write the mount's storage.
    Storage,
    /// Locks that the mount's requests share.
    Locks,
    /// Write to the log.
    Log,
    /// Add to counters among the mount's metrics.
    Metrics,
    /// Ask the server about mount and node.
    SystemView,
    /// Look up identity entities of the server by their IDs.
    Entities,
    /// Make passwords by password policies of the server.
    PasswordPolicies,
    /// Read the time and wait.
    Clock,
    /// Random bytes.
    Random,
    /// Send HTTP requests to allowed origins.
    OutboundHttp,
}

impl Capability {
    /// All capabilities.
    pub const ALL: [Self; 10] = [
        Self::Storage,
        Self::Locks,
        Self::Log,
        Self::Metrics,
        Self::SystemView,
        Self::Entities,
        Self::PasswordPolicies,
        Self::Clock,
        Self::Random,
        Self::OutboundHttp,
    ];

    /// The name for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Locks => "locks",
            Self::Log => "log",
            Self::Metrics => "metrics",
            Self::SystemView => "system view",
            Self::Entities => "entities",
            Self::PasswordPolicies => "password policies",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::OutboundHttp => "outbound HTTP",
        }
    }

    /// The name for programs: one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SystemView => "system-view",
            Self::PasswordPolicies => "password-policies",
            Self::OutboundHttp => "outbound-http",
            other => other.word(),
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Capability {
    type Err = String;

    /// Parses the name for programs.
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|capability| capability.name() == text);
        let names = || Self::ALL.map(Self::name).join("`, `");
        found.ok_or_else(|| format!("`{text}` is no capability: they are `{}`", names()))
    }
}

/// Interfaces that guests may import, as the world in `wit/` lists them, each with its capability. Names have no
/// version: the linker matches any compatible version. An interface without a capability only names types, or works on
/// values of another interface.
const ALLOWED: [(&str, Option<Capability>); 14] = [
    ("secrets-engine:host/locks", Some(Capability::Locks)),
    ("secrets-engine:host/logging", Some(Capability::Log)),
    ("secrets-engine:host/storage", Some(Capability::Storage)),
    ("secrets-engine:host/system-view", Some(Capability::SystemView)),
    ("secrets-engine:metrics/counters", Some(Capability::Metrics)),
    ("secrets-engine:backend/types", None),
    ("wasi:clocks/monotonic-clock", Some(Capability::Clock)),
    ("wasi:clocks/wall-clock", Some(Capability::Clock)),
    ("wasi:http/outgoing-handler", Some(Capability::OutboundHttp)),
    ("wasi:http/types", None),
    ("wasi:io/error", None),
    ("wasi:io/poll", None),
    ("wasi:io/streams", None),
    ("wasi:random/random", Some(Capability::Random)),
];

/// Interfaces that toolchains import whether a program needs them or not. They are linked without effect: there are no
/// variables, arguments, files or input, and the output goes to the log.
const INERT: [&str; 12] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
];

/// True for an import that grants nothing.
#[must_use]
pub fn is_inert(import: &str) -> bool {
    INERT.contains(&interface(import))
}

/// Functions of these interfaces with a capability of their own, because they reach data of the server beyond the
/// mount. A component imports only the functions that it calls.
const FUNCTIONS: [(&str, &str, Capability); 2] = [
    ("secrets-engine:host/system-view", "entity-info", Capability::Entities),
    ("secrets-engine:host/system-view", "generate-password", Capability::PasswordPolicies),
];

/// The capabilities of a component.
///
/// # Errors
/// `World`, with the names of imports that no guest gets.
pub(crate) fn capabilities(component: &Component) -> Result<BTreeSet<Capability>, LoadError> {
    let ty = component.component_type();
    let (mut capabilities, mut refused) = (BTreeSet::new(), Vec::new());
    for (name, import) in ty.imports(component.engine()) {
        if is_inert(name) {
            continue;
        }
        let Some((interface, capability)) = ALLOWED.iter().find(|(allowed, _)| *allowed == interface(name)) else {
            refused.push(name.to_owned());
            continue;
        };
        let own = |function: &str| {
            FUNCTIONS.iter().find(|(of, known, _)| of == interface && *known == function).map(|(_, _, own)| *own)
        };
        match import.ty {
            ComponentItem::ComponentInstance(instance) if FUNCTIONS.iter().any(|(of, _, _)| of == interface) => {
                let functions = instance.exports(component.engine());
                let functions = functions.filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
                capabilities.extend(functions.filter_map(|(function, _)| own(function).or(*capability)));
            }
            _ => capabilities.extend(*capability),
        }
    }
    if refused.is_empty() {
        return Ok(capabilities);
    }
    Err(LoadError::World(format!("it imports `{}`, which no engine gets", refused.join("`, `"))))
}

/// True if a component exports an interface, in any version.
pub(crate) fn has_export(component: &Component, name: &str) -> bool {
    let ty = component.component_type();
    ty.exports(component.engine()).any(|(export, _)| interface(export) == name)
}

/// `a:b/c` of `a:b/c@1.2.3`.
fn interface(name: &str) -> &str {
    name.split_once('@').map_or(name, |(interface, _)| interface)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_import_is_allowed_in_any_version() {
        assert_eq!(interface("wasi:io/poll@0.2.6"), "wasi:io/poll");
        assert_eq!(interface("run"), "run");
        assert!(ALLOWED.iter().all(|(allowed, _)| *allowed != interface("wasi:sockets/tcp@0.2.12")));
        assert!(is_inert("wasi:filesystem/types@0.2.3") && !is_inert("wasi:sockets/tcp@0.2.12"));
    }

    #[test]
    fn guests_may_import_what_the_world_names_and_nothing_else() {
        let mut resolve = wit_parser::Resolve::default();
        let (package, _) = resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
        let named = |world: &str| {
            let world = &resolve.worlds[resolve.select_world(&[package], Some(world)).unwrap()];
            let names = world.imports.keys().map(|key| resolve.name_world_key(key));
            names.map(|name| interface(&name).to_owned()).collect::<BTreeSet<_>>()
        };
        let allowed: BTreeSet<_> = ALLOWED.iter().map(|(allowed, _)| (*allowed).to_owned()).collect();
        assert_eq!(named("engine"), allowed);
        let inert: BTreeSet<_> = INERT.iter().map(|inert| (*inert).to_owned()).collect();
        assert_eq!(&named("inert") - &allowed, inert);
    }

    #[test]
    fn functions_of_their_own_capability_are_in_the_world() {
        let mut resolve = wit_parser::Resolve::default();
        resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
        for (of, function, _) in FUNCTIONS {
            let known = resolve.interfaces.iter().any(|(id, known)| {
                resolve.id_of(id).is_some_and(|name| interface(&name) == of) && known.functions.contains_key(function)
            });
            assert!(known, "{of} has no function {function}");
        }
    }

    #[test]
    fn a_capability_is_read_from_its_name() {
        for capability in Capability::ALL {
            assert_eq!(capability.name().parse(), Ok(capability));
            let by_interface = ALLOWED.iter().any(|(_, known)| *known == Some(capability));
            let by_function = FUNCTIONS.iter().any(|(_, _, known)| *known == capability);
            assert!(by_interface || by_function, "{capability} is asked for by import");
        }
        let wrong = "files".parse::<Capability>();
        assert!(matches!(&wrong, Err(text) if text.contains("`outbound-http`")), "{wrong:?}");
    }
}
