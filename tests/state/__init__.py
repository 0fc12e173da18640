"""The incremental state: its rows, its rules by hand, its readings, and what they cost."""
