"""Kernels compile when they are first called, which no deadline of a single example should measure."""

from hypothesis import settings

settings.register_profile("compiling", deadline=None)
settings.load_profile("compiling")
