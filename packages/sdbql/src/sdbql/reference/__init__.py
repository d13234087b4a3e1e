"""The language's own documentation, made from its tables. Nothing that runs a query imports it."""
