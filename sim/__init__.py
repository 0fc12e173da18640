"""The same replicas in a world made of faults."""
