"""The canonical form of programs, and its hash."""
