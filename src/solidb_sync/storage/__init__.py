"""Local engines behind one protocol, and the parts that every SQLite file of ours shares."""
