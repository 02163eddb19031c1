"""Help: the text of a path or of the engine, beside the OpenAPI document that the server merges into its own."""

import re
from typing import TYPE_CHECKING, Any

from .fields import Field, FieldType

if TYPE_CHECKING:
    from .backend import Backend, OperationSpec, Path, Request

_METHODS = {"list": "get", "create": "post", "read": "get", "update": "post", "patch": "patch", "delete": "delete"}
"""In the order in which a later one wins: `update` describes both ways of a write, and `read` those of a GET."""

_SCHEMAS: dict[FieldType, dict[str, Any]] = {
    FieldType.STRING: {"type": "string"},
    FieldType.INT: {"type": "integer", "format": "int64"},
    FieldType.BOOL: {"type": "boolean"},
    FieldType.DURATION: {"type": "integer", "format": "seconds"},
    FieldType.STRINGS: {"type": "array", "items": {"type": "string"}},
    FieldType.PAIRS: {"type": "object", "format": "kvpairs"},
    FieldType.MAP: {"type": "object", "format": "map"},
}


def of(backend: "Backend", request: "Request", path: "Path | None") -> dict[str, Any]:
    """The answer to a request for help; without a path, the help of the whole engine."""
    paths = (path,) if path else backend.paths
    text = _of_path(request, path) if path else _of_backend(backend)
    # The server says here under which name the plugin is registered.
    prefix = request.data.get("requestResponsePrefix") or backend.name
    return {"help": text.strip(), "see_also": None, "openapi": _document(backend, paths, str(prefix))}


def _of_backend(backend: "Backend") -> str:
    lines = sorted(f"    {_route(path)}\n        {path.synopsis}\n" for path in backend.paths)
    return f"## DESCRIPTION\n\n{backend.help}\n\n## PATHS\n\n" + "\n".join(lines)


def _of_path(request: "Request", path: "Path") -> str:
    fields = [f"\n    {known.name} ({known.type.value})\n\n        {known.description}\n" for known in path.fields]
    parameters = f"## PARAMETERS\n{''.join(fields)}\n" if fields else ""
    head = f"Request:        {request.path}\nMatching Route: {_route(path)}\n\n{path.synopsis}\n\n"
    return f"{head}{parameters}## DESCRIPTION\n\n{path.description or '<no description>'}"


def _route(path: "Path") -> str:
    pattern = re.sub(r":([^/]+)", r"(?P<\1>[^/]+)", path.pattern)
    return f"^{pattern}{'/?' if path.list else ''}$"


def _document(backend: "Backend", paths: "tuple[Path, ...]", prefix: str) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    return {
        "openapi": "3.0.2",
        "info": {"title": f"{backend.name} secrets engine", "description": backend.help, "version": backend.version},
        "paths": {f"/{path.template}": _path_item(path, prefix, schemas) for path in paths},
        "components": {"schemas": schemas},
    }


def _path_item(path: "Path", prefix: str, schemas: dict[str, Any]) -> dict[str, Any]:
    operations = {operation.value: spec for operation, spec in path.operations.items()}
    in_path = [known for known in path.fields if f":{known.name}" in path.pattern.split("/")]
    others = [known for known in path.fields if known not in in_path]
    has_body = any(_takes_body(name) for name in operations)
    item: dict[str, Any] = {"description": path.synopsis}
    parameters = [_parameter(known, {"in": "path", "required": True}) for known in in_path]
    if not has_body:
        parameters += [_parameter(known, {"in": "query"}) for known in others]
    if parameters:
        item["parameters"] = parameters
    if "create" in operations:
        item["x-vault-createSupported"] = True
    for name, method in _METHODS.items():
        if name in operations:
            item[method] = _operation(name, operations[name], _operation_id(prefix, name, path), others, schemas)
    return item


def _operation(
    name: str, spec: "OperationSpec", operation_id: str, body: list[Field], schemas: dict[str, Any]
) -> dict[str, Any]:
    titled = "".join(word.capitalize() for word in operation_id.split("-"))
    operation: dict[str, Any] = {"summary": spec.summary, "operationId": operation_id, "tags": ["secrets"]}
    if name == "list":
        schema = {"type": "string", "enum": ["true"]}
        operation["parameters"] = [{"name": "list", "in": "query", "required": True, "schema": schema}]
    if _takes_body(name) and body:
        operation["requestBody"] = {"required": True, "content": _content(schemas, f"{titled}Request", body)}
    if spec.answers:
        content = _content(schemas, f"{titled}Response", list(spec.answers))
        operation["responses"] = {"200": {"description": "OK", "content": content}}
    else:
        operation["responses"] = {"204": {"description": "empty body"}}
    return operation


def _takes_body(name: str) -> bool:
    return _METHODS[name] in ("post", "patch")


def _operation_id(prefix: str, name: str, path: "Path") -> str:
    words = [word for word in re.split(r"[^A-Za-z0-9_]+", path.template) if word]
    return "-".join([prefix, "write" if name == "update" else name, *words]).lower()


def _parameter(known: Field, place: dict[str, Any]) -> dict[str, Any]:
    return {"name": known.name, "description": known.description, "schema": _schema(known)} | place


def _content(schemas: dict[str, Any], name: str, fields: list[Field]) -> dict[str, Any]:
    """Adds a schema. The server drops a `$ref` and keeps what it calls `Ref`, so both are there."""
    properties = {known.name: _schema(known) | {"description": known.description} for known in fields}
    required = [known.name for known in fields if known.required]
    schemas[name] = {"type": "object", "properties": properties} | ({"required": required} if required else {})
    reference = f"#/components/schemas/{name}"
    return {"application/json": {"schema": {"$ref": reference, "ref": reference}}}


def _schema(known: Field) -> dict[str, Any]:
    default = {} if known.default is None else {"default": known.default}
    return _SCHEMAS[known.type] | default
