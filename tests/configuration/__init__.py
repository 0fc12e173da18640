"""The node list: read, checked against the disk, made."""
