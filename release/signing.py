"""Signatures of files by openssl: ECDSA over SHA-256 in Base64, which `cosign verify-blob --key` reads, too.

The key is a file or, with `env:NAME`, a variable: it is no argument of a program and goes into no file of ours."""

import base64
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
    """Puts `FILE.sig` beside a file."""
    signature = base64.b64encode(sign(key, path.read_bytes())).decode()
    path.with_name(path.name + ".sig").write_text(signature + "\n")


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
