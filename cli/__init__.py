"""Command line: parses, calls one library function, prints. Installed as meshgait_cli."""
