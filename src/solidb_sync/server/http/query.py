"""Read the parameters of a query string; a wrong one is refused by its name."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from solidb_sync.json_value import encode
from solidb_sync.model.version_vector import COUNTER_MAX
from solidb_sync.server.refusals import bad_request
from solidb_sync.server.type_problems import field_problem
from solidb_sync.strict_json import JsonTextError, strict_json

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False, "": False}
_vectors = msgspec.json.Decoder(dict[str, int])


def required(request: Request, name: str) -> str:
    """Return a parameter that must be there."""
    value = request.query_params.get(name)
    if not value:
        raise bad_request(f"{name}: required, but missing")
    return value


def whole_number(request: Request, name: str) -> int | None:
    """Return a count, None when it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= COUNTER_MAX):
        raise bad_request(f"{name}: expected 0 to {COUNTER_MAX}, found {text[:40]!r}")
    return int(text)


def boolean(request: Request, name: str) -> bool:
    """Return a switch, off when it is not given."""
    text = request.query_params.get(name, "").lower()
    if text not in _BOOLEANS:
        raise bad_request(f"{name}: expected true or false, found {text[:40]!r}")
    return _BOOLEANS[text]


def names(request: Request, name: str) -> list[str] | None:
    """Return a list of names separated by commas, None when it is not given or empty."""
    listed = [part.strip() for part in request.query_params.get(name, "").split(",") if part.strip()]
    return listed or None


def vector(request: Request, name: str) -> dict[str, int]:
    """Return a version vector written as JSON, the empty one when it is not given."""
    text = request.query_params.get(name)
    if not text:
        return {}
    try:
        _, value = strict_json(text.encode("utf-8", "surrogatepass"), is_envelope=True)
        return _vectors.decode(encode(value))
    except JsonTextError as problem:
        raise bad_request(f"{name}: {problem}") from problem
    except msgspec.ValidationError as problem:
        raise bad_request(field_problem(problem, value, prefix=name)) from problem
