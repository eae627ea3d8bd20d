"""A manifest that is proposed for a folder indexes it as it is, and finds what the shipped manifest finds."""

import pytest
from fakes.make import FAKES

from meshgait_data.describe.propose import propose
from meshgait_data.describe.template import Answers, template
from meshgait_data.index import scan
from meshgait_data.manifest import load_manifest, manifest_of
from meshgait_data.yaml_files import parse_yaml


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FAKES))
def test_every_fake(fake, name):
    made = fake(name)
    text = template(propose(made.root), Answers(name="proposal"))
    proposed, _ = scan(manifest_of(parse_yaml(text, "text"), "text"), made.root)
    shipped, _ = scan(load_manifest(made.manifest), made.root)
    assert len(proposed.rows) >= len(shipped.rows) - 1, "one stray folder more or less"
    assert len(shipped.rows) > 0
    kinds, wanted = (
        {kind for row in index.rows for kind in row.kinds if not kind.startswith("also.")}
        for index in (proposed, shipped)
    )
    assert wanted <= kinds
    assert {row.side for row in proposed.rows} >= {"train", "test"} or proposed.manifest.split.origin
