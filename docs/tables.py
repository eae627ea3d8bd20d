"""Write the tables of the documentation that follow from the code: make tables."""

from pathlib import Path

from meshgait_data.shards.schema import SCHEMA_VERSION, markdown_table

FORMAT = Path(__file__).with_name("format.md")
START = "<!-- schema: written by 'make tables', do not edit -->\n"
END = "<!-- end -->\n"


def schema() -> str:
    """What stands between the marks in format.md."""
    return f"Schema version {SCHEMA_VERSION}.\n\n{markdown_table()}"


def updated(text: str) -> str:
    """The document with today's table."""
    before, rest = text.split(START)
    return before + START + schema() + rest[rest.index(END) :]


if __name__ == "__main__":
    FORMAT.write_text(updated(FORMAT.read_text(encoding="utf-8")), encoding="utf-8")
