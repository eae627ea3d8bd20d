"""Pictures for people: overlays, contact sheets, curves."""
