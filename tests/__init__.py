"""Tests of every package, named after the claim they check."""
