"""Rules that turn a plan into a better plan with the same rows."""
