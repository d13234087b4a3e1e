"""SDBQL: a query language over JSON documents."""

from sdbql.data_source import DataSource, DictSource, KeyedDataSource
from sdbql.engine import Filter, Query, parse, parse_filter, run
from sdbql.errors import (
    CollectionNotFoundError,
    ExecutionError,
    ParseError,
    ParseLimitError,
    QueryError,
    QueryLimitError,
    UnsupportedOfflineError,
)
from sdbql.limits import Limits

__all__ = [
    "CollectionNotFoundError",
    "DataSource",
    "DictSource",
    "ExecutionError",
    "Filter",
    "KeyedDataSource",
    "Limits",
    "ParseError",
    "ParseLimitError",
    "Query",
    "QueryError",
    "QueryLimitError",
    "UnsupportedOfflineError",
    "parse",
    "parse_filter",
    "run",
]
