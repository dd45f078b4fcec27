"""The games, one short file per family."""
