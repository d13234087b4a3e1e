"""A shell for queries: lines in, tables out. What it queries, and where its output goes, is given to it."""
