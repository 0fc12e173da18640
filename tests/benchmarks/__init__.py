"""The measuring itself: what is counted, and that the floor runs. No time is asserted."""
