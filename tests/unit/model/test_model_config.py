import re

import pytest
import yaml

from meshgait_data.errors import ManifestError, UsageError
from meshgait_data.manifest import dump_yaml
from meshgait_model.config.experiment import load_config


def test_the_two_demos_differ_in_the_3d_branch_alone():
    assert load_config("demo", ["network.branch_3d=false"]) == load_config("demo_without_3d")


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("optim.lr=1e-3", lambda c: c.optim.lr == 1e-3),
        ("optim.lr=1", lambda c: c.optim.lr == 1.0),
        ("network.branch_3d=false", lambda c: c.network.branch_3d is False),
        ("network.backbone.channels=[8, 8, 8, 8]", lambda c: c.network.backbone.channels == (8, 8, 8, 8)),
        ("data.shards=/tmp/some where=x", lambda c: c.data.shards == "/tmp/some where=x"),
        ("data.augment.flip=0.25", lambda c: c.data.augment.flip == 0.25),
    ],
)
def test_overrides_change_one_value(override, found):
    assert found(load_config("demo", [override]))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lrr=1", "did you mean 'lr'"),
        ("optimm.lr=1", "did you mean 'optim'"),
        ("optim.lr=fast", "expected float"),
        ("optim.kind=adam", "did you mean 'adamw'"),
        ("optim.lr=0", "must be positive"),
        ("optim.schedule=multistep", "needs optim.milestones"),
        ("optim.milestones=[1000000]", "beyond run.steps"),
        ("network.heatmap.stage=9", "stages 1 to"),
        ("network.heatmap.temporal=2", "odd number"),
        ("data.clips=1", "needs 2 of both"),
        ("data.augment.flip=1.5", "probability"),
        ("loss.joints=-1", "must not be negative"),
        ("seed.x=1", "not key=value"),
        ("optim.lr", "not key=value"),
    ],
)
def test_wrong_settings_say_what_is_wrong(override, message):
    with pytest.raises((ManifestError, UsageError)) as caught:
        load_config("demo", [override])
    assert re.search(re.escape(message), f"{caught.value} {caught.value.hint}")


def test_names_on_disk_are_plain_yaml(tmp_path):
    assert yaml.safe_load(dump_yaml(load_config("debug")))["run"]["steps"] == 20
