"""What opens an encrypted store: data keys, wrapped in the key of the user."""
