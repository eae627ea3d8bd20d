"""What fakes say of the defects that are planted in them."""

import pytest
from fakes.make import FAKES


@pytest.mark.parametrize("name", list(FAKES))
def test_every_planted_defect_has_a_finding(fake, name):
    planted = fake(name).planted
    assert planted
    assert [defect.kind for defect in planted if not defect.finding or not defect.where] == []
