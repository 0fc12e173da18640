"""The operating system's files, and SQLite."""
