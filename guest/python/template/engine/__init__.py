"""The start of a secrets engine: it stores greetings, leases passes, and asks an upstream about visitors."""

from helper.backend import Backend, SpecialPaths, StorageVersions

from . import config, greetings, passes, visitors

BACKEND = Backend(
    name="greeter",
    # The version of the module: raise it with each change.
    version="0.1.0",
    help="Stores a greeting for each visitor, gives passes to those who have one, and asks an upstream about visitors.",
    # A pass and a token are secrets: the seal of the server encrypts them a second time, if it can.
    special_paths=SpecialPaths(seal_wrap_storage=(passes.PREFIX, config.PREFIX)),
    # Raise the version when the stored form changes, so that the host knows whether it could revert an update.
    storage_versions=StorageVersions(written=1, readable_from=1),
    paths=(greetings.GREETINGS, greetings.GREETING, passes.PASSES, config.CONFIG, visitors.VISITOR),
    secrets=(passes.PASS,),
    secret_classes=(config.API_TOKEN,),
)
"""The engine as one table, the source of routing, help and the OpenAPI document."""
