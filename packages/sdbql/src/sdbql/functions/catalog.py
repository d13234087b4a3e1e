"""All builtins by name, and the names that only a server knows."""

from sdbql.functions.array_statistics import ARRAY_STATISTICS
from sdbql.functions.arrays import ARRAY_FUNCTIONS
from sdbql.functions.builtin import Builtin, Table
from sdbql.functions.dates import DATE_FUNCTIONS
from sdbql.functions.higher_order import HIGHER_ORDER_FUNCTIONS
from sdbql.functions.numbers import NUMBER_FUNCTIONS
from sdbql.functions.objects import OBJECT_FUNCTIONS
from sdbql.functions.strings import STRING_FUNCTIONS
from sdbql.functions.text_search import TEXT_SEARCH_FUNCTIONS
from sdbql.functions.types import TYPE_FUNCTIONS

BUILTINS: Table = {
    **STRING_FUNCTIONS,
    **TEXT_SEARCH_FUNCTIONS,
    **ARRAY_FUNCTIONS,
    **ARRAY_STATISTICS,
    **HIGHER_ORDER_FUNCTIONS,
    **NUMBER_FUNCTIONS,
    **DATE_FUNCTIONS,
    **TYPE_FUNCTIONS,
    **OBJECT_FUNCTIONS,
}


def _instead(names: str, advice: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), advice)


_ONLINE = "run this query on the server while online"
_IN_THE_PROGRAM = "compute it in the program, and pass it as a bind variable"
_BY_SOUND = "compare by spelling instead: FUZZY_MATCH(a, b) or a ~= b"

SERVER_ONLY: dict[str, str] = {
    **_instead("DOCUMENT", "look it up: FIRST(FOR d IN users FILTER d._key == @key RETURN d)"),
    **_instead("COLLECTION_COUNT", "count the documents: LENGTH(users)"),
    **_instead("SAMPLE", "take some at random: FOR u IN users SORT RANDOM() LIMIT 10 RETURN u"),
    **_instead("FULLTEXT BM25", "filter by CONTAINS, LIKE or =~, or run this query on the server while online"),
    **_instead("HIGHLIGHT", "mark the matches: REGEX_REPLACE(text, pattern, '<b>$0</b>')"),
    **_instead("HYBRID_SEARCH VECTOR_HYBRID_SEARCH FUSION_SEARCH VECTOR_SEARCH VECTOR_QUERY ANN_SEARCH", _ONLINE),
    **_instead("VECTOR_SIMILARITY VECTOR_DISTANCE VECTOR_NORMALIZE VECTOR_INDEX_STATS DISTANCE", _ONLINE),
    **_instead("MD5 SHA256 SHA512 HMAC_SHA256 ARGON2_HASH ARGON2_VERIFY", _IN_THE_PROGRAM),
    **_instead("BASE64_ENCODE TO_BASE64 BASE64_DECODE FROM_BASE64", _IN_THE_PROGRAM),
    **_instead("HEX_ENCODE TO_HEX HEX_DECODE FROM_HEX", _IN_THE_PROGRAM),
    **_instead("UUID UUID_V4 UUIDV4 UUID_V7 UUIDV7 ULID NANOID", _IN_THE_PROGRAM),
    **_instead("SLEEP", "wait in the program"),
    **_instead("SIMILARITY", "count the edits between the two: LEVENSHTEIN(a, b)"),
    **_instead("SOUNDEX METAPHONE DOUBLE_METAPHONE COLOGNE CAVERPHONE NYSIIS", _BY_SOUND),
    **_instead("SLUGIFY", "replace what is no letter or digit: REGEX_REPLACE(LOWER(s), '[^a-z0-9]+', '-')"),
    **_instead("SANITIZE", "remove what does not belong: TRIM(REGEX_REPLACE(s, '[^\\\\w ]', ''))"),
}
"""The functions that only a server has, each with what to do instead."""

SERVER_ONLY_PREFIXES = {"GEO_": _ONLINE, "SOUNDEX_": _BY_SOUND}
"""The same for whole families of names."""


def find(name: str) -> Builtin | None:
    """Return the builtin of this name, in capitals, or None."""
    return BUILTINS.get(name)


def instead_of_server_only(name: str) -> str | None:
    """Return what to do instead of a function that only a server has, or None for other names."""
    by_prefix = [advice for prefix, advice in SERVER_ONLY_PREFIXES.items() if name.startswith(prefix)]
    return next(iter(by_prefix), SERVER_ONLY.get(name))
