"""`solidb-sync doctor`: what is wrong with a store or its way to the server, and what mends it."""
