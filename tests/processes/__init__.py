"""What is claimed of a running cluster, shown with real processes, disks and connections."""
