"""Layouts of other toolkits: trees of OpenGait, written and read back."""
