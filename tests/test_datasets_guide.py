"""docs/datasets.md says of every shipped manifest what the manifest says, and its commands exist."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from meshgait_data.manifest import load_manifest

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
NAMES = sorted(path.stem for path in (ROOT / "manifests" / "datasets").glob("*.yaml"))


def section(name: str) -> str:
    """The one section that tells of a manifest."""
    found = [text for text in GUIDE.split("\n## ") if f"**`{name}`**" in text]
    assert len(found) == 1, name
    return found[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_manifest_has_its_words(name: str) -> None:
    manifest, text = load_manifest(name), section(name)
    assert f"**`{name}`**: {manifest.title}." in text
    assert f"mgdata build {name} " in text
    assert f"**Licence** ({manifest.licence.name}). {manifest.licence.summary}\n" in text
    assert manifest.licence.request in text
    for defect in manifest.defects:
        assert f"- {defect}\n" in text
    for protocol in manifest.protocols:
        assert f"`{protocol}`" in text or "As OUMVLP" in text or protocol == "server_distractors"


def test_no_manifest_is_told_of_that_is_not_there() -> None:
    assert sorted(re.findall(r"\*\*`(\w+)`\*\*", GUIDE)) == NAMES


def test_the_commands_exist(mgdata: Callable[..., Result]) -> None:
    lines = [line for block in re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == len(NAMES)
    helped = mgdata("build", "--help").output
    for line in lines:
        program, command, name, *options = shlex.split(line)
        assert (program, command) == ("mgdata", "build")
        assert name in NAMES
        assert all(option in helped for option in options if option.startswith("--"))
        assert ("--root" in options) == (load_manifest(name).default_root() is None)


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)", GUIDE):
        assert (ROOT / "docs" / link).is_file(), link
