"""`visitors/:name`: what the upstream knows about a visitor."""

from typing import Any

from helper.backend import Context, Operation, OperationSpec, Path, Response, path_segment
from helper.errors import EngineError, coded, mistake
from helper.fields import Field, FieldType
from helper.host import HttpAnswer, HttpRequest

from . import config, greetings

VISITS = Field("visits", FieldType.INT, "How often the visitor was there.")


def _read(context: Context, data: dict[str, Any]) -> Response | None:
    known = config.load(context)
    if known is None:
        raise mistake("there is no config: write `config` first")
    # A name of any characters stays one segment.
    url = f"{known['url']}/visitors/{path_segment(data['name'])}"
    answer = context.host.http.send(HttpRequest("GET", url, bearer=known["token"], timeout=10))
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise _failed(known, f"answered with status {answer.status}")
    return Response({"visits": _visits(known, answer)})


def _visits(known: dict[str, str], answer: HttpAnswer) -> int:
    try:
        visits = answer.json()["visits"]
    except (ValueError, KeyError, TypeError):
        visits = None
    if not isinstance(visits, int):
        raise _failed(known, "answered something else than a visitor")
    return visits


def _failed(known: dict[str, str], what: str) -> EngineError:
    return coded(502, f"the upstream at `{known['url']}` {what}: try again later, or check `config`")


VISITOR = Path(
    pattern="visitors/:name",
    fields=(greetings.NAME,),
    operations={Operation.READ: OperationSpec(_read, "Ask the upstream about a visitor.", answers=(VISITS,))},
    synopsis="Ask the upstream about a visitor.",
    description="The upstream answers `GET /visitors/:name` below the configured URL.",
)
