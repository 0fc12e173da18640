"""Links over TLS, as Trio tasks."""
