"""``docs/format.md`` tells what the code does: its table, its examples, its names and its numbers."""

import json
import re
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
import zarr
from sample_shards import attributes_of

from meshgait_data.export.opengait import BESIDE, TreeFacts, load_facts
from meshgait_data.shards import hdf5, open_shards, schema
from meshgait_data.shards.legacy import VERSIONS

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "format.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def tables() -> ModuleType:
    spec = spec_from_file_location("tables", DOCS / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_that_of_the_code() -> None:
    assert tables().updated(TEXT) == TEXT, "run 'make tables'"
    assert schema.markdown_table() in TEXT


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path, str], list[dict[str, np.ndarray]]]:
    """Run an example, as it stands in the document, on a dataset; gives the frames of each sequence it printed."""

    def run(root: Path, word: str) -> list[dict[str, np.ndarray]]:
        (tmp_path / "SHARDS").symlink_to(root)
        monkeypatch.chdir(tmp_path)
        seen: list[dict[str, np.ndarray]] = []
        (text,) = [text for text in EXAMPLES if word in text]
        unpack = next(text for text in EXAMPLES if "unpackbits" in text)

        def note(key: str, identity: str, frame_ids: np.ndarray) -> None:
            frames = dict(names["frames"])
            assert frames["frame_ids"] is frame_ids
            exec(unpack, {"frames": frames, "print": lambda shape: None})
            seen.append({"key": key, "identity": identity, **frames})

        names: dict[str, Any] = {"print": note}
        exec(text, names)
        return seen

    return run


def test_examples_have_ten_lines_at_most_and_import_nothing_of_ours() -> None:
    assert len(EXAMPLES) == 3
    for text in EXAMPLES:
        assert len(text.splitlines()) <= 10
        names = {name for line in re.findall(r"^import (.*)$", text, re.MULTILINE) for name in line.split(", ")}
        assert names <= {"json", "zarr", "h5py", "numpy as np"}


@pytest.mark.parametrize(("name", "word"), [("packed", "zarr"), ("packed_hdf5", "h5py"), ("packed_1bit", "zarr")])
def test_examples_read_every_sequence_as_we_do(
    request: pytest.FixtureRequest, example: Callable[..., Any], name: str, word: str
) -> None:
    root = request.getfixturevalue(name)
    shards, seen = open_shards(root), example(root, f"import json, {word}")
    assert [found.pop("key") for found in seen] == [str(record.key) for record in shards.sequences]
    for record, found in zip(shards.sequences, seen, strict=True):
        assert found.pop("identity") == record.identity
        assert set(found) == set(record.rows) | {"silhouettes"}
        for field, array in found.items():
            expected = shards.read(record, field)
            assert array.dtype == expected.dtype
            np.testing.assert_array_equal(array, expected)


def _rows(start: str, text: str = TEXT) -> set[str]:
    """Names in the first column of the table that begins with this line."""
    lines = text[text.index(start) :].splitlines()[2:]
    cells = [
        line.split("|")[1] for line in lines[: next(n for n, line in enumerate(lines) if not line.startswith("|"))]
    ]
    return {name for cell in cells for name in re.findall(r"`([a-z_0-9.]+)`", cell)}


def test_tables_of_keys_are_complete(packed: Path) -> None:
    plain = attributes_of(packed / "part-00000.zarr")
    assert _rows("| key | value |\n|---|---|\n| `schema` | version") == set(plain)
    assert _rows("| key of a sequence |") == {key for sequence in plain["sequences"] for key in sequence}
    dataset = json.loads((packed / "dataset.json").read_text())
    assert _rows("| key | value |\n|---|---|\n| `schema`, `format`") == set(dataset)
    assert _rows("| file | what it is |", (DOCS / "opengait.md").read_text(encoding="utf-8")) == BESIDE


def test_columns_of_the_index_are_named(packed: Path) -> None:
    text = TEXT[TEXT.index("## `index.parquet`") : TEXT.index("## `markers.npz`")]
    shards = open_shards(packed)
    import pyarrow.parquet

    columns = pyarrow.parquet.read_schema(packed / "index.parquet").names
    named = set(re.findall(r"`([a-z_<>]+)`", text))
    assert {name for name in columns if not name.startswith("row_")} <= named
    assert {name for name in columns if name.startswith("row_")} == {f"row_{field}" for field in shards.fields}
    assert "row_<field>" in named


def test_codecs_are_as_described(packed: Path) -> None:
    array = zarr.open_array(packed / "part-00000.zarr" / "joints", mode="r")
    (shard,) = json.loads((packed / "part-00000.zarr/joints/zarr.json").read_text())["codecs"]
    codecs = shard["configuration"]["codecs"]
    assert [codec["name"] for codec in codecs] == ["transpose", "bytes", "blosc", "crc32c"]
    blosc = codecs[2]["configuration"]
    assert f"`blosc` ({blosc['cname']}, level {blosc['clevel']}, byte {blosc['shuffle']}" in TEXT
    assert f"inner chunks of {array.chunks[0]} frames" in TEXT
    assert f"chunks of {hdf5.CHUNK_FRAMES} frames" in TEXT
    assert f"gzip (level {hdf5.DEFLATE_LEVEL})" in TEXT


def test_versions_are_all_there() -> None:
    section = TEXT[TEXT.index("## Versions and migration") :]
    rows = re.findall(r"^\| (\d+) \|.*\|([^|]*)\|$", section, re.MULTILINE)
    assert [number for number, _ in rows] == [*VERSIONS, schema.SCHEMA_VERSION]
    assert all("mgdata convert OLD NEW" in way for number, way in rows if number in VERSIONS)


def test_all_findings_are_explained() -> None:
    listed = set(re.findall(r"^\| (MG-(?:SHARD|TREE)-\d{3}) \|", TEXT, re.MULTILINE))
    known = (DOCS / "findings.md").read_text(encoding="utf-8")
    assert listed == set(re.findall(r"^\| (MG-(?:SHARD|TREE)-\d{3}) \|", known, re.MULTILINE))


def test_the_yaml_for_a_tree_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "set.yaml").write_text(text)
    facts = load_facts(str(tmp_path / "set.yaml"))
    assert isinstance(facts, TreeFacts)
    assert facts.side("075") == "test"
    assert set(yaml.safe_load(text)) <= set(TreeFacts.__dataclass_fields__)


def test_links_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", head.lower()).strip().replace(" ", "-")
        for head in re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:].replace("_", "") in anchors, target
        elif not target.startswith("http"):
            assert (DOCS / target).is_file(), target
