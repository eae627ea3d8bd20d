"""Readers, one a format, from source files to observations."""
