"""The root of what can go wrong in samebox itself, and the system's words for what went wrong."""


class SameboxError(Exception):
    """The message says what was expected, what was found, where, and what to do."""


def reason(error: OSError) -> str:
    """What is there instead of what was expected, or why nothing is, without its path."""
    if isinstance(error, IsADirectoryError):
        return "a directory"
    return (error.strerror or str(error)).lower()
