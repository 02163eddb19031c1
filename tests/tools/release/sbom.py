"""A CycloneDX bill of materials of the plugin: its crates, those of the module in it, and what the compiler links.

A script of ours and not a generator, so that the bill, the list of licences and the programs have one source (`crates.py`), and two
builds give the same bytes: no random serial number, no time but the release's."""

import json
import uuid
from datetime import datetime, timezone

SPEC = "1.6"


def bill(name, version, plugin, module, host_crates, guest_crates, linked, epoch):
    """The bill as text. `plugin` and `module` are SHA-256 sums; `linked` are (name, version, licence) of what is no crate."""
    module_ref = f"pkg:generic/astra.wasm@{version}"
    main = application(name, version, f"pkg:generic/{name}@{version}", plugin)
    known = {crate.purl: crate for crate in [*host_crates, *guest_crates]}
    components = [application("astra.wasm", version, module_ref, module)]
    components += [library(crate) for crate in known.values()]
    components += [other(*part) for part in linked]
    others = [part["bom-ref"] for part in components if part["purl"].startswith("pkg:generic/")]
    edges = {main["bom-ref"]: [host_crates[0].purl, *others], module_ref: [guest_crates[0].purl]}
    edges |= {ref: [] for ref in others if ref not in edges}
    for crate in known.values():
        edges[crate.purl] = crate.uses
    document = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "version": 1,
        "metadata": {"timestamp": time_text(epoch), "component": main},
        "components": sorted(components, key=lambda part: part["bom-ref"]),
        "dependencies": [{"ref": ref, "dependsOn": sorted(uses)} for ref, uses in sorted(edges.items())],
    }
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}"
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def application(name, version, ref, digest):
    return {
        "type": "application",
        "bom-ref": ref,
        "name": name,
        "version": version,
        "purl": ref,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def library(crate):
    part = {"type": "library", "bom-ref": crate.purl, "name": crate.name, "version": crate.version, "purl": crate.purl}
    part["licenses"] = [{"expression": crate.licence}]
    if crate.checksum:
        part["hashes"] = [{"alg": "SHA-256", "content": crate.checksum}]
    if crate.repository.startswith("https://"):
        part["externalReferences"] = [{"type": "vcs", "url": crate.repository}]
    return part


def other(name, version, licence):
    ref = f"pkg:generic/{name}@{version}"
    part = {"type": "library", "bom-ref": ref, "name": name, "version": version, "purl": ref}
    return part | {"licenses": [{"expression": licence}]}


def time_text(epoch):
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
