"""The nouns: version vector, document, delta, change, conflict. Pure values."""
