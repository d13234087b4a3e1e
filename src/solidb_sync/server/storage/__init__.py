"""What the server asks of a database, and the databases that offer it."""
