"""What lies on disk: segments and records, recovery, snapshots, blob packs."""
