"""Pushes a module and its signatures to a registry, or pulls them, by the Python client of ORAS.

client.py push HOST REPOSITORY TAG CONFIG MODULE
client.py pull HOST REPOSITORY TAG FOLDER
"""

import sys
from pathlib import Path

import oras.client
import oras.oci

WASM = "application/wasm"
WASM_CONFIG = "application/vnd.wasm.config.v0+json"
SIGNATURES = "application/vnd.secrets-engine.signatures.v1+json"


def main():
    command, host, repository, tag, *rest = sys.argv[1:]
    client = oras.client.OrasClient(hostname=host, insecure=True)
    {"push": push, "pull": pull}[command](client, f"{host}/{repository}:{tag}", *rest)
    print("done")


def push(client, target, config, module):
    pushed = client.push(
        target=target, files=[f"{module}:{WASM}"], manifest_config=f"{config}:{WASM_CONFIG}", disable_path_validation=True
    )
    size = len(pushed.request.body if isinstance(pushed.request.body, bytes) else pushed.request.body.encode())
    subject = oras.oci.Subject("application/vnd.oci.image.manifest.v1+json", pushed.headers["Docker-Content-Digest"], size)
    client.push(target=f"{target}.sig", files=[f"{module}.sig:{SIGNATURES}"], subject=subject, disable_path_validation=True)


def pull(client, target, folder):
    """The signatures first, and each file as a whole: as the page for operators does it."""
    incoming = Path(folder).parent / "incoming"
    incoming.mkdir()
    for tag in (f"{target}.sig", target):
        for file in client.pull(target=tag, outdir=str(incoming)):
            Path(file).rename(Path(folder) / Path(file).name)
    incoming.rmdir()


main()
