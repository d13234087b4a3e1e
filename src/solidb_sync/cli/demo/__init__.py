"""`solidb-sync demo`: a server and two devices, each a process of its own."""
