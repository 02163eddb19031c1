//! The objects for Kubernetes have only fields that their operators know, and all required fields.
//!
//! No cluster runs here. The lists are of the operators' own types: Vault Secrets Operator `v1beta1`, External Secrets
//! Operator `v1` and `v1alpha1` of its generators, and `apps/v1` of Kubernetes. The Go types of External Secrets 0.16.2 and
//! of Kubernetes 0.32.3 decode the examples strictly, without an unknown field.

use std::collections::BTreeSet;

use serde_json::Value;

use super::documents;

/// A kind: its version, and its fields as paths below the object, required ones with `!`.
struct Kind {
    version: &'static str,
    name: &'static str,
    fields: &'static [&'static str],
}

const METADATA: [&str; 4] = ["!metadata.name", "metadata.namespace", "metadata.labels.*", "metadata.annotations.*"];

const KINDS: [Kind; 6] = [
    Kind {
        version: "secrets.hashicorp.com/v1beta1",
        name: "VaultConnection",
        fields: &[
            "!spec.address",
            "spec.caCertSecretRef",
            "spec.headers.*",
            "spec.skipTLSVerify",
            "spec.tlsServerName",
        ],
    },
    Kind {
        version: "secrets.hashicorp.com/v1beta1",
        name: "VaultAuth",
        fields: &[
            "spec.allowedNamespaces[]",
            "spec.kubernetes.audiences[]",
            "spec.kubernetes.role",
            "spec.kubernetes.serviceAccount",
            "spec.kubernetes.tokenExpirationSeconds",
            "spec.method",
            "spec.mount",
            "spec.namespace",
            "spec.vaultConnectionRef",
        ],
    },
    Kind {
        version: "secrets.hashicorp.com/v1beta1",
        name: "VaultDynamicSecret",
        fields: &[
            "spec.allowStaticCreds",
            "spec.destination.create",
            "!spec.destination.name",
            "spec.destination.type",
            "!spec.mount",
            "spec.namespace",
            "spec.params.*",
            "!spec.path",
            "spec.renewalPercent",
            "spec.requestHTTPMethod",
            "spec.revoke",
            "spec.rolloutRestartTargets[].kind",
            "spec.rolloutRestartTargets[].name",
            "spec.vaultAuthRef",
        ],
    },
    Kind {
        version: "generators.external-secrets.io/v1alpha1",
        name: "VaultDynamicSecret",
        fields: &[
            "spec.controller",
            "spec.method",
            "spec.parameters.*",
            "!spec.path",
            "!spec.provider.auth.kubernetes.mountPath",
            "!spec.provider.auth.kubernetes.role",
            "spec.provider.auth.kubernetes.serviceAccountRef.name",
            "spec.provider.namespace",
            "!spec.provider.server",
            "spec.resultType",
        ],
    },
    Kind {
        version: "external-secrets.io/v1",
        name: "ExternalSecret",
        fields: &[
            "spec.dataFrom[].sourceRef.generatorRef.apiVersion",
            "!spec.dataFrom[].sourceRef.generatorRef.kind",
            "!spec.dataFrom[].sourceRef.generatorRef.name",
            "spec.refreshInterval",
            "spec.target.name",
        ],
    },
    Kind {
        version: "apps/v1",
        name: "Deployment",
        fields: &[
            "spec.replicas",
            "!spec.selector.matchLabels.*",
            "!spec.template.metadata.labels.*",
            "spec.template.metadata.annotations.*",
            "spec.template.spec.serviceAccountName",
            "!spec.template.spec.containers[].name",
            "!spec.template.spec.containers[].image",
        ],
    },
];

/// The paths of all values that are neither objects nor lists. Names that the user chooses become `*`.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let is_own = ["abels", "nnotations", "params", "parameters"].iter().any(|end| path.ends_with(end));
                let name = if is_own { "*" } else { name };
                leaves(field, &format!("{path}{}{name}", if path.is_empty() { "" } else { "." }), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(item, &format!("{path}[]"), found)),
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn the_objects_have_the_fields_that_their_operators_know() {
    let mut seen = BTreeSet::new();
    for file in ["vault-secrets-operator", "external-secrets", "agent-injector"] {
        for object in documents(&format!("kubernetes/{file}.yaml")) {
            let (version, name) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
            let kind = KINDS.iter().find(|kind| kind.version == version && kind.name == name);
            let kind = kind.unwrap_or_else(|| panic!("{file}: unknown {version} {name}"));
            seen.insert((version.to_owned(), name.to_owned()));
            let mut found = BTreeSet::new();
            leaves(&object, "", &mut found);
            let known: Vec<&str> = METADATA.iter().chain(kind.fields).copied().chain(["apiVersion", "kind"]).collect();
            for field in &found {
                let is_known = known.iter().any(|one| one.trim_start_matches('!') == field);
                assert!(is_known, "{file}: {name} has no field `{field}`");
            }
            for needed in known.iter().filter_map(|field| field.strip_prefix('!')) {
                assert!(found.contains(needed), "{file}: {name} needs `{needed}`");
            }
        }
    }
    assert_eq!(seen.len(), KINDS.len(), "an object of each kind is there");
}

/// A name that refers to another object of the same file has a target.
#[test]
fn references_between_the_objects_lead_somewhere() {
    let objects = documents("kubernetes/vault-secrets-operator.yaml");
    let is_there = |kind: &str, name: &Value| {
        objects.iter().any(|object| object["kind"] == kind && object["metadata"]["name"] == *name)
    };
    for object in &objects {
        for (field, kind) in [("vaultConnectionRef", "VaultConnection"), ("vaultAuthRef", "VaultAuth")] {
            let name = &object["spec"][field];
            assert!(name.is_null() || is_there(kind, name), "{field}: {name}");
        }
        let path = object["spec"]["path"].as_str().unwrap_or_default();
        let is_static = object["spec"]["allowStaticCreds"] == true;
        assert!(path.is_empty() || path.starts_with("static-creds/") == is_static, "{path}");
    }
}
