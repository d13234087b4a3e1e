"""Sealed files: every page of a store carries what proves it whole, and in an encrypted store nothing else can be read."""
