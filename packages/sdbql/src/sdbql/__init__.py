"""SDBQL: a query language over JSON documents."""

from sdbql.cancellation import Cancellation
from sdbql.data_source import (
    DataSource,
    DictSource,
    IndexedDataSource,
    KeyedDataSource,
    SqlDataSource,
    StoredTable,
    ValueRange,
)
from sdbql.engine import Filter, Query, parse, parse_filter, run
from sdbql.errors import (
    CollectionNotFoundError,
    ExecutionError,
    ParseError,
    ParseLimitError,
    QueryCancelledError,
    QueryError,
    QueryLimitError,
    UnsupportedOfflineError,
)
from sdbql.limits import Limits
from sdbql.relevance import Relevance

__all__ = [
    "Cancellation",
    "CollectionNotFoundError",
    "DataSource",
    "DictSource",
    "ExecutionError",
    "Filter",
    "IndexedDataSource",
    "KeyedDataSource",
    "Limits",
    "ParseError",
    "ParseLimitError",
    "Query",
    "QueryCancelledError",
    "QueryError",
    "QueryLimitError",
    "Relevance",
    "SqlDataSource",
    "StoredTable",
    "UnsupportedOfflineError",
    "ValueRange",
    "parse",
    "parse_filter",
    "run",
]
