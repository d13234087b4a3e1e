"""The words on the wire, shared by both ends."""
