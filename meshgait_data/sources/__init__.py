"""Readers, one a format, from source files to observations."""

from meshgait_data.sources.observe import Glance, glance, observe, read_take

__all__ = ["Glance", "glance", "observe", "read_take"]
