"""Manifests seen from outside: what is wrong with one, and a first one for a folder that has none."""
