"""docs/manifests.md: every example is a manifest, or a piece that one can be made of, and its tables are current."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from meshgait_data.manifest import Manifest, manifest_of
from meshgait_data.manifest_schema import reference
from meshgait_data.yaml_files import parse_yaml

DOCS = Path(__file__).parents[1] / "docs"
GUIDE = (DOCS / "manifests.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def manifest(text: str) -> Manifest:
    """The example, in the place of what the whole manifest of the page says."""
    plain = parse_yaml(EXAMPLES[0], "whole")
    return manifest_of({**plain, "same_person": [], **parse_yaml(text, "piece")}, "piece")


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples(number: int) -> None:
    assert manifest(EXAMPLES[number]).schema == 1


def test_what_the_page_says_of_them() -> None:
    assert len(EXAMPLES) > 10
    whole = manifest(EXAMPLES[0])
    assert (len(whole.split.train), len(whole.split.test)) == (20, 10)
    assert whole.licence.shares_silhouettes is False
    room = next(manifest(text) for text in EXAMPLES if "{room}" in text).layout
    match = room.regex().fullmatch("recordings/hall/p7_20250131.avi.masks")
    assert str(room.key("d", match.groupdict())) == "d/p7/hall-20250131/front"
    people = next(manifest(text) for text in EXAMPLES if "10305/2" in text)
    assert (len(people.split.train), len(people.split.test)) == (5153, 5154)


def test_tables_are_current() -> None:
    spec = spec_from_file_location("tables", DOCS / "tables.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.updated(GUIDE, reference()) == GUIDE, "run 'make tables'"
