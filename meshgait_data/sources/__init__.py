"""Readers, one a format, from source files to observations."""

from meshgait_data.sources.observe import observe, read_take

__all__ = ["observe", "read_take"]
