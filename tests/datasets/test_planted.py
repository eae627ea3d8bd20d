"""What fakes say of the defects that are planted in them."""

import pytest
from fakes.make import FAKES

_LARGE = {"ccpg", "ccpg_raw", "oumvlp_rearranged", "sustech1k"}
"""Made for slow tests only."""
_NAMES = [pytest.param(name, marks=pytest.mark.slow) if name in _LARGE else name for name in FAKES]


@pytest.mark.parametrize("name", _NAMES)
def test_every_planted_defect_has_a_finding(fake, name):
    planted = fake(name).planted
    assert planted
    assert [defect.kind for defect in planted if not defect.finding or not defect.where] == []
