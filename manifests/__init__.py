"""Shipped YAML: datasets, skeletons and experiments. Data only."""
