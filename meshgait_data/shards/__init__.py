"""Packed datasets: schema, writing, reading, verifying."""
