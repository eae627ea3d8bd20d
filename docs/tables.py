"""Write what follows from the code, tables of the documentation and the schema of manifests: make tables."""

from pathlib import Path

from meshgait_data.manifest_schema import SCHEMA_FILE, reference, schema_text
from meshgait_data.shards.schema import SCHEMA_VERSION, markdown_table

FORMAT = Path(__file__).with_name("format.md")
MANIFESTS = Path(__file__).with_name("manifests.md")
START = "<!-- schema: written by 'make tables', do not edit -->\n"
END = "<!-- end -->\n"


def schema() -> str:
    """What stands between the marks in format.md."""
    return f"Schema version {SCHEMA_VERSION}.\n\n{markdown_table()}"


def updated(text: str, table: str = "") -> str:
    """The document with today's table, by default that of format.md."""
    before, rest = text.split(START)
    return before + START + (table or schema()) + rest[rest.index(END) :]


if __name__ == "__main__":
    FORMAT.write_text(updated(FORMAT.read_text(encoding="utf-8")), encoding="utf-8")
    (Path(__file__).parents[1] / "manifests" / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
    MANIFESTS.write_text(updated(MANIFESTS.read_text(encoding="utf-8"), reference()), encoding="utf-8")
