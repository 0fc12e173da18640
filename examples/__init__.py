"""Programs that use samebox: one for each way of use, and a demonstration."""
