"""Conflict-free replicated data types: fields whose concurrent edits always merge.

Every type is a state with a `join` (commutative, associative, idempotent) and edits that only ever add to it. An edit
travels as an *operation*, which says what its author did; `applied` joins its effect into a state. Where states are kept,
and who applies what, is said in docs/PROTOCOL.md.
"""
