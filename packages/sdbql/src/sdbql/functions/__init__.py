"""The builtins, one module for each subject; `catalog` merges them."""
