"""What samebox does to the world: disk, network, processes, command line."""
