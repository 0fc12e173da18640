"""Settings that hold for every test."""

from hypothesis import settings

# No deadline: a test never fails because the machine was busy.
settings.register_profile("samebox", deadline=None, print_blob=True)
settings.load_profile("samebox")
