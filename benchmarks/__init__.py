"""How fast it is, beside the bare floor of the same libraries. Nothing here is a test."""
