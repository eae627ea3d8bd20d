"""One module a layout: how it is known, and how its numbers become parameters."""
