"""The console command `solidb-sync`: commands for people and for scripts."""
