"""The numbered schema files of the local store: applied in order, each in one transaction."""
