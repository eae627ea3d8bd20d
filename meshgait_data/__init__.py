"""From gait datasets to 3D supervision: index, fit, label, render, pack."""

__version__ = "0.1.0"
