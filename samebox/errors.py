"""The root of what can go wrong in samebox itself."""


class SameboxError(Exception):
    """The message says what was expected, what was found, where, and what to do."""
