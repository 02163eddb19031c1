"""Signatures of files by openssl: ECDSA over SHA-256, in Base64 and as a bundle that `cosign verify-blob --key` reads.

The key is a file or, with `env:NAME`, a variable: it is no argument of a program and goes into no file of ours."""

import base64
import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path


def signer(key):
    """A function that signs bytes, or None without a key."""
    return (lambda data: sign(key, data)) if key else None


def sign(key, data):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").write_bytes(data)
        return openssl(["dgst", "-sha256", "-sign", "/dev/stdin", f"{folder}/data"], key_text(key))


def public(key):
    """The public half, as PEM."""
    return openssl(["pkey", "-pubout"], key_text(key))


def verify(public_key, data, signature):
    """Raises an error if the signature is not of these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").write_bytes(data)
        (Path(folder) / "signature").write_bytes(signature)
        (Path(folder) / "key").write_bytes(public_key)
        openssl(["dgst", "-sha256", "-verify", f"{folder}/key", "-signature", f"{folder}/signature", f"{folder}/data"], b"")


def write_signature(key, path):
    """Puts `FILE.sig` and `FILE.sigstore.json` beside a file: one signature in both."""
    data = path.read_bytes()
    signature = sign(key, data)
    path.with_name(path.name + ".sig").write_text(text(signature) + "\n")
    path.with_name(path.name + ".sigstore.json").write_text(bundle(key, data, signature))


def bundle(key, data, signature):
    """A Sigstore bundle, which names the key by the sum of its public half."""
    der = openssl(["pkey", "-pubout", "-outform", "DER"], key_text(key))
    whole = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": text(hashlib.sha256(der).digest())}},
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": text(hashlib.sha256(data).digest())},
            "signature": text(signature),
        },
    }
    return json.dumps(whole) + "\n"


def text(data):
    return base64.b64encode(data).decode()


def key_text(key):
    if key.startswith("env:"):
        name = key.removeprefix("env:")
        if not os.environ.get(name):
            raise SystemExit(f"the variable {name} holds no key to sign with")
        return os.environ[name].encode()
    return Path(key).read_bytes()


def openssl(arguments, given):
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"openssl {arguments[0]} failed: {(done.stderr or done.stdout).decode(errors='replace').strip()}")
    return done.stdout
