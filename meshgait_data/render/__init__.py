"""Cameras, rasteriser, alignment, and labels through the same window as pixels."""
