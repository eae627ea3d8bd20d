"""The Mesh-Gait network and its parts."""
