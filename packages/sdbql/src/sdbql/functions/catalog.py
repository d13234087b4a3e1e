"""All builtins by name, and the names that only a server knows."""

from sdbql.functions.arrays import ARRAY_FUNCTIONS
from sdbql.functions.builtin import Builtin, Table
from sdbql.functions.dates import DATE_FUNCTIONS
from sdbql.functions.higher_order import HIGHER_ORDER_FUNCTIONS
from sdbql.functions.numbers import NUMBER_FUNCTIONS
from sdbql.functions.objects import OBJECT_FUNCTIONS
from sdbql.functions.strings import STRING_FUNCTIONS
from sdbql.functions.types import TYPE_FUNCTIONS

BUILTINS: Table = {
    **STRING_FUNCTIONS,
    **ARRAY_FUNCTIONS,
    **NUMBER_FUNCTIONS,
    **DATE_FUNCTIONS,
    **TYPE_FUNCTIONS,
    **OBJECT_FUNCTIONS,
    **HIGHER_ORDER_FUNCTIONS,
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SERVER_ONLY = _words(
    """DOCUMENT COLLECTION_COUNT SAMPLE FULLTEXT BM25 HIGHLIGHT HYBRID_SEARCH VECTOR_HYBRID_SEARCH
    FUSION_SEARCH VECTOR_SEARCH VECTOR_QUERY ANN_SEARCH VECTOR_SIMILARITY VECTOR_DISTANCE
    VECTOR_NORMALIZE VECTOR_INDEX_STATS DISTANCE MD5 SHA256 SHA512 HMAC_SHA256 BASE64_ENCODE
    TO_BASE64 BASE64_DECODE FROM_BASE64 HEX_ENCODE TO_HEX HEX_DECODE FROM_HEX ARGON2_HASH
    ARGON2_VERIFY UUID UUID_V4 UUIDV4 UUID_V7 UUIDV7 ULID NANOID SLEEP SIMILARITY SOUNDEX METAPHONE
    DOUBLE_METAPHONE COLOGNE CAVERPHONE NYSIIS SLUGIFY SANITIZE"""
)

SERVER_ONLY_PREFIXES = ("GEO_", "SOUNDEX_")


def find(name: str) -> Builtin | None:
    """Return the builtin of this name, in capitals, or None."""
    return BUILTINS.get(name)


def is_server_only(name: str) -> bool:
    """Tell whether only a server has the function of this name, in capitals."""
    return name in SERVER_ONLY or name.startswith(SERVER_ONLY_PREFIXES)
