"""Object and JSON builtins. Keys come in ascending order wherever an order shows."""

import json

from sdbql.errors import QueryError, QueryLimitError
from sdbql.execution_context import ExecutionContext
from sdbql.functions.builtin import UNLIMITED, Builtin, Cost, table, text
from sdbql.limits import VALUE_DEPTH_MAX
from sdbql.value_size import require_bounded
from sdbql.values import Value, number, to_json

_INTEGER_LENGTH_MAX = 20


def json_parse(context: ExecutionContext, value: Value) -> Value:
    r"""Return the value that a JSON text stands for; null when it is not JSON.

    JSON_PARSE("{\"a\": [1, null]}") => {"a": [1, null]}
    JSON_PARSE("{a: 1}") => null
    JSON_PARSE(5) => null
    """
    if not isinstance(value, str):
        return None
    context.spend(len(value))
    try:
        parsed = json.loads(value, parse_constant=_refuse, parse_int=_integer, parse_float=_float)
        require_bounded([parsed])
        to_json(parsed).encode()
    except (ValueError, RecursionError, QueryError):
        return None
    return parsed


def _refuse(name: str) -> Value:
    raise ValueError(name)


def _integer(digits: str) -> Value:
    return number(int(digits) if len(digits) <= _INTEGER_LENGTH_MAX else float(digits))


def _float(digits: str) -> Value:
    value = float(digits)
    number(value)
    return value


def json_stringify(value: Value) -> Value:
    r"""Return compact JSON with sorted keys.

    JSON_STRINGIFY({b: 1.0, a: "é"}) => "{\"a\":\"é\",\"b\":1}"
    JSON_STRINGIFY("a") => "\"a\""
    JSON_STRINGIFY(null) => "null"
    """
    return to_json(value)


def json_stringify_pretty(value: Value) -> Value:
    r"""Return JSON with sorted keys, indented by two spaces.

    JSON_STRINGIFY_PRETTY({a: [1]}) => "{\n  \"a\": [\n    1\n  ]\n}"
    JSON_STRINGIFY_PRETTY([]) => "[]"
    """
    return to_json(value, indent=2)


def keys(value: Value) -> Value:
    """Return the keys in order; none for what is no object.

    KEYS({b: 1, a: null}) => ["a", "b"]
    KEYS(["a"]) => []
    KEYS(null) => []
    """
    return sorted(value) if isinstance(value, dict) else []


def member_values(value: Value) -> Value:
    """Return the values in the order of their keys; none for what is no object.

    VALUES({b: 1, a: null}) => [null, 1]
    VALUES("ab") => []
    """
    return [value[key] for key in sorted(value)] if isinstance(value, dict) else []


def entries(value: Value) -> Value:
    """Return [key, value] pairs in the order of the keys; none for what is no object.

    ENTRIES({b: 1, a: 2}) => [["a", 2], ["b", 1]]
    ENTRIES(null) => []
    """
    return [[key, value[key]] for key in sorted(value)] if isinstance(value, dict) else []


def from_entries(pairs: Value) -> Value:
    """Return the object of [key, value] pairs; what is no such pair is skipped.

    FROM_ENTRIES([["a", 1], ["b", null]]) => {"a": 1, "b": null}
    FROM_ENTRIES([["a", 1], ["b"], [5, 1], 5]) => {"a": 1}
    FROM_ENTRIES(null) => {}
    """
    if not isinstance(pairs, list):
        return {}
    return {pair[0]: pair[1] for pair in pairs if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)}


def merge(*objects: Value) -> Value:
    """Return all members in one object; the last of each key wins, non-objects are ignored.

    MERGE({a: 1, b: {c: 1}}, {b: {d: 2}}) => {"a": 1, "b": {"d": 2}}
    MERGE({a: 1}, null, {a: null}) => {"a": null}
    MERGE(5) => {}
    """
    merged: dict[str, Value] = {}
    for each in objects:
        if isinstance(each, dict):
            merged.update(each)
    return merged


def merge_recursive(*objects: Value) -> Value:
    """Merge, and merge objects of the same key in the same way; anything else is replaced.

    MERGE_RECURSIVE({a: {b: 1, c: [1]}}, {a: {c: [2], d: 3}}) => {"a": {"b": 1, "c": [2], "d": 3}}
    MERGE_RECURSIVE({a: {b: 1}}, {a: 5}) => {"a": 5}
    MERGE_RECURSIVE(null) => {}
    """
    merged: dict[str, Value] = {}
    for each in objects:
        if isinstance(each, dict):
            merged = _merged(merged, each, VALUE_DEPTH_MAX)
    return merged


def _merged(below: dict[str, Value], above: dict[str, Value], depth: int) -> dict[str, Value]:
    if depth == 0:
        raise QueryLimitError.reached("value_depth_max", VALUE_DEPTH_MAX, "the nesting of a value")
    merged = dict(below)
    for key, new in above.items():
        value, old = new, merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _merged(old, value, depth - 1)
        merged[key] = value
    return merged


def has(value: Value, key: Value) -> Value:
    """Tell whether the object has the key, whatever its value.

    HAS({a: null}, "a") => true
    HAS({a: null}, "b") => false
    HAS(null, "a") => false
    HAS([1], 0) => false
    """
    return isinstance(value, dict) and isinstance(key, str) and key in value


def unset(value: Value, *names: Value) -> Value:
    """Return the object without some keys, given as strings or arrays of strings.

    UNSET({a: 1, b: 2, c: 3}, "a", ["b"]) => {"c": 3}
    UNSET({a: 1}, "x") => {"a": 1}
    UNSET(5, "a") => 5
    """
    if not isinstance(value, dict):
        return value
    removed = _names(names)
    return {key: value[key] for key in value if key not in removed}


def keep(value: Value, *names: Value) -> Value:
    """Return the object with only some keys, given as strings or arrays of strings.

    KEEP({a: 1, b: 2, c: 3}, "a", ["c", "x"]) => {"a": 1, "c": 3}
    KEEP({a: 1}, null) => {}
    KEEP(5, "a") => 5
    """
    if not isinstance(value, dict):
        return value
    kept = _names(names)
    return {key: value[key] for key in value if key in kept}


def _names(names: tuple[Value, ...]) -> set[str]:
    found: set[str] = set()
    for name in names:
        found.update(one for one in (name if isinstance(name, list) else [name]) if isinstance(one, str))
    return found


def zip_objects(names: Value, members: Value) -> Value:
    """Return the object of keys and values at the same places, cut to the shorter.

    ZIP_OBJECTS(["a", "b"], [1, 2]) => {"a": 1, "b": 2}
    ZIP_OBJECTS(["a", 5, "b"], [1, 2]) => {"a": 1}
    ZIP_OBJECTS("a", 1) => null
    """
    if not (isinstance(names, list) and isinstance(members, list)):
        return None
    return {name: member for name, member in zip(names, members, strict=False) if isinstance(name, str)}


def attributes(value: Value, remove_internal: Value = False, ordered: Value = True) -> Value:
    """Return the keys in order, if wanted without those that start with `_`.

    ATTRIBUTES({_key: "k", b: 1, a: 2}) => ["_key", "a", "b"]
    ATTRIBUTES({_key: "k", b: 1}, true) => ["b"]
    ATTRIBUTES(null) => []
    """
    return [key for key in keys(value) if not (remove_internal and key.startswith("_"))]


def get(value: Value, path: Value, default: Value = None) -> Value:
    """Return what a dotted path such as "address.city" leads to, or the default.

    GET({a: {b: [5, 6]}}, "a.b.1") => 6
    GET({a: 1}, "a.b", "none") => "none"
    GET({a: null}, "a", "none") => null
    GET(null, "a") => null
    """
    for name in text(path).split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and len(name) < 10 and int(name) < len(value):
            value = value[int(name)]
        else:
            return default
    return value


OBJECT_FUNCTIONS = table(
    [
        #       name, function, least and most arguments
        Builtin("JSON_PARSE", json_parse, 1, 1, wants_context=True),
        Builtin("JSON_STRINGIFY", json_stringify, 1, 1, grows=True, cost=Cost.WHOLE),
        Builtin("JSON_STRINGIFY_PRETTY", json_stringify_pretty, 1, 1, grows=True, cost=Cost.WHOLE),
        Builtin("KEYS", keys, 1, 1, total=True),
        Builtin("VALUES", member_values, 1, 1, total=True),
        Builtin("ENTRIES", entries, 1, 1, total=True),
        Builtin("FROM_ENTRIES", from_entries, 1, 1, total=True),
        Builtin("MERGE", merge, 1, UNLIMITED),
        Builtin("MERGE_RECURSIVE", merge_recursive, 1, UNLIMITED, cost=Cost.WHOLE),
        Builtin("HAS", has, 2, 2, total=True, cost=Cost.NONE),
        Builtin("UNSET", unset, 2, UNLIMITED, total=True),
        Builtin("KEEP", keep, 2, UNLIMITED, total=True),
        Builtin("ZIP_OBJECTS", zip_objects, 2, 2, total=True),
        Builtin("ATTRIBUTES", attributes, 1, 3, total=True),
        Builtin("GET", get, 2, 3),
    ],
    aliases={
        "PARSE_JSON": "JSON_PARSE",
        "TO_JSON": "JSON_STRINGIFY",
        "MERGE_OBJECTS": "MERGE",
        "MERGE_DEEP": "MERGE_RECURSIVE",
        "DEEP_MERGE": "MERGE_RECURSIVE",
        "HAS_KEY": "HAS",
        "WITHOUT": "UNSET",
    },
)
