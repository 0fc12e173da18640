"""The same mailboxes and files on every node."""
