"""Everything that reads bytes from outside, fed with what is almost right."""
