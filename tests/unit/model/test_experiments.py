"""Shipped experiments: each is built at full size and stepped with few channels, and says what was published."""

from dataclasses import replace

import pytest
import torch

from meshgait_data.errors import ManifestError
from meshgait_data.manifest import dump_yaml
from meshgait_data.yaml_files import shipped_names
from meshgait_model.assembly import make_network
from meshgait_model.config.experiment import load_config
from meshgait_model.trainer import Trainer

SHIPPED = shipped_names("experiments")
BENCHMARKS = ("casia_b", "oumvlp", "gait3d", "grew", "ccpg", "sustech1k")

# OpenGait, configs/{gaitbase,deepgaitv2}/*.yaml: P, K, frames, kind, milestones, steps, blocks.
PUBLISHED = {
    "gaitbase_casia_b": (8, 16, (30, 0), "unordered", (20000, 40000, 50000), 60000, (1, 1, 1, 1)),
    "gaitbase_oumvlp": (32, 8, (30, 0), "unordered", (60000, 80000, 100000), 120000, (1, 1, 1, 1)),
    "gaitbase_gait3d": (32, 4, (10, 50), "unordered", (20000, 40000, 50000), 60000, (1, 1, 1, 1)),
    "gaitbase_grew": (32, 4, (20, 40), "unordered", (80000, 120000, 150000), 180000, (1, 1, 1, 1)),
    "gaitbase_ccpg": (8, 16, (30, 0), "unordered", (20000, 40000, 50000), 60000, (1, 1, 1, 1)),
    "deepgaitv2_casia_b": (8, 16, (30, 0), "ordered", (20000, 40000, 50000), 60000, (1, 1, 1, 1)),
    "deepgaitv2_oumvlp": (32, 8, (30, 0), "ordered", (60000, 80000, 100000), 120000, (1, 1, 1, 1)),
    "deepgaitv2_gait3d": (32, 4, (30, 0), "ordered", (20000, 40000, 50000), 60000, (1, 4, 4, 1)),
    "deepgaitv2_grew": (32, 4, (30, 0), "ordered", (80000, 120000, 150000), 180000, (1, 4, 4, 1)),
    "deepgaitv2_ccpg": (8, 16, (30, 0), "ordered", (20000, 40000, 50000), 60000, (1, 1, 1, 1)),
    "deepgaitv2_sustech1k": (8, 8, (10, 0), "ordered", (20000, 30000, 40000), 50000, (1, 1, 1, 1)),
}


def slim(name):
    """Overrides that make an experiment small enough to be stepped in a test."""
    config = load_config(name)
    few = [max(channels // 16, 4) for channels in config.network.backbone.channels]
    most = min(config.data.frames + 1, 4) if config.data.frames_most else 0
    return [
        "data.people=2",
        "data.clips=2",
        "data.frames=3",
        f"data.frames_most={most}",
        "data.skip=0",
        f"network.backbone.channels={few}",
        f"network.backbone.stem_channels={few[0]}",
        "network.heatmap.hidden=8",
        "network.heatmap.channels=8",
        "network.embedding=8",
        "loss.mesh_vertices=16",
        "run.device=cpu",
        "run.threads=1",
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_resolved_experiment_is_a_valid_experiment(name, tmp_path):
    config = load_config(name)
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(config))
    assert load_config(str(path)) == config


@pytest.mark.parametrize("name", SHIPPED)
def test_every_experiment_is_built_as_it_is(name, shards):
    config = load_config(name)
    with torch.device("meta"):
        network = make_network(config, shards, classes=3)
    assert sum(weight.numel() for weight in network.parameters()) > 0


@pytest.mark.parametrize("name", SHIPPED)
def test_every_experiment_takes_a_step(name, shards):
    trainer = Trainer(load_config(name, slim(name)), shards)
    before = {key: value.clone() for key, value in trainer.network.state_dict().items()}
    values = trainer.step(0)
    assert ("joints" in values) == trainer.config.supervised
    # Batch normalisation may give a weight no gradient; those of the backbone and of the head always have one.
    moved = {key for key, value in trainer.network.state_dict().items() if not torch.equal(value, before[key])}
    assert any(key.startswith("backbone") for key in moved)
    assert any(key.startswith("embed") for key in moved)


@pytest.mark.parametrize("name", PUBLISHED)
def test_baselines_have_their_published_recipes(name):
    config = load_config(name)
    data, optim = config.data, config.optim
    found = (data.people, data.clips, (data.frames, data.frames_most), data.kind, optim.milestones, config.run.steps)
    assert (*found, config.network.backbone.blocks) == PUBLISHED[name]
    assert (optim.kind, optim.lr, optim.momentum, optim.weight_decay, optim.gamma) == ("sgd", 0.1, 0.9, 5e-4, 0.1)
    assert (config.loss.margin, config.loss.smoothing, config.loss.logit_scale) == (0.2, 0.1, 16)
    assert (config.network.bins, config.network.embedding) == (16, 256)
    assert config.network.backbone.channels == (64, 128, 256, 512)
    assert not config.network.branch_3d


@pytest.mark.parametrize("dataset", BENCHMARKS)
def test_mesh_gait_differs_from_its_baseline_in_the_3d_branch_alone(dataset):
    ours, baseline = load_config(f"meshgait_{dataset}"), load_config(f"deepgaitv2_{dataset}")
    assert ours.supervised
    # Losses of labels are large at first, so the gradient is clipped.
    optim = replace(baseline.optim, clip_norm=ours.optim.clip_norm)
    assert replace(ours, network=baseline.network, loss=baseline.loss) == replace(baseline, optim=optim)
    assert ours.network.backbone == baseline.network.backbone
    for name in ("triplet", "margin", "cross_entropy", "smoothing", "logit_scale"):
        assert getattr(ours.loss, name) == getattr(baseline.loss, name)


def test_a_file_extends_one_beside_it(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: demo\noptim: {lr: 0.5}\ndata: {augment: {flip: 0.1}}\n")
    (tmp_path / "more.yaml").write_text("extends: mine.yaml\nnetwork: {backbone: {blocks: [2, 2, 2, 2]}}\n")
    expected = load_config("demo", ["optim.lr=0.5", "data.augment.flip=0.1", "network.backbone.blocks=[2, 2, 2, 2]"])
    assert load_config(str(tmp_path / "more.yaml")) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("extends: mine.yaml\n", "without end"),
        ("extends: [demo, debug]\n", "no name of an experiment"),
        ("extends: demo\noptim:\n  lrr: 1\n", "mine.yaml:3:3: optim"),
    ],
)
def test_a_wrong_extension_is_said_with_its_place(tmp_path, text, says):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        load_config(str(path))
    assert says in f"{caught.value.where}: {caught.value}"
