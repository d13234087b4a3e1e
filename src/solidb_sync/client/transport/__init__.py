"""How requests reach the server: a protocol, and its implementation over HTTP."""
