"""Synthetic walkers: people of the body's shape space who walk in styles of the learned gait space."""
