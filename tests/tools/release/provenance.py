"""What was built from what: an in-toto statement with a SLSA 1 provenance, and the envelope that carries its signature."""

import base64
import json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
# What `externalParameters` and `resolvedDependencies` mean is in docs/releasing.md.
BUILD_TYPE = "urn:vault-plugin-secrets-datastax-astra:make-dist:v1"


def statement(subjects, parameters, dependencies, builder):
    """`subjects` and `dependencies` are pairs of a name and its sums, such as `{"sha256": …}`."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": digest} for name, digest in subjects],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": parameters,
                "internalParameters": {},
                "resolvedDependencies": [{"uri": uri, "digest": digest} for uri, digest in dependencies],
            },
            "runDetails": {"builder": {"id": builder}},
        },
    }


def pre_authentication(payload):
    """The bytes that a DSSE signature is made over."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def envelope(value, sign):
    """The statement in a DSSE envelope, as one line. `sign` makes a signature over bytes; without it there is none."""
    payload = json.dumps(value, sort_keys=True).encode()
    signatures = [{"sig": text(sign(pre_authentication(payload)))}] if sign else []
    whole = {"payloadType": PAYLOAD_TYPE, "payload": text(payload), "signatures": signatures}
    return json.dumps(whole, sort_keys=True) + "\n"


def opened(line):
    """The statement of an envelope, its signed bytes, and its signatures."""
    whole = json.loads(line)
    payload = base64.b64decode(whole["payload"])
    return json.loads(payload), pre_authentication(payload), [base64.b64decode(one["sig"]) for one in whole["signatures"]]


def text(data):
    return base64.b64encode(data).decode()
