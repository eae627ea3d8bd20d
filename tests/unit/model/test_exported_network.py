"""What is exported says what the trained network says, and needs nothing else."""

import json
import subprocess
import sys
from functools import lru_cache

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from meshgait_data.errors import InvalidData, UsageError
from meshgait_model.checkpoint import LATEST, Checkpoint, load_checkpoint
from meshgait_model.config.experiment import load_config
from meshgait_model.evaluate import evaluate
from meshgait_model.export import export, grey_clips
from meshgait_model.exported import ONNX, SETTING, TORCH, WEIGHTS
from meshgait_model.inference import distances, load_exported
from meshgait_model.nn.grey import GreyRecognition
from meshgait_model.nn.recognition import Recognition
from meshgait_model.protocols.distances import blocks
from meshgait_model.trainer import Trainer

# A volume with everything that recognition can read in 3D, and baselines that look along time.
KINDS = {
    "2d": ("network.fusion=[add]",),
    "p3d": ("network.backbone.form=p3d", "network.fusion=[add, strips, motion, view]", "network.heatmap.form=factored"),
    "3d": ("network.backbone.form=3d", "network.branch_3d=false"),
    "labels": ("network.fusion=[]",),
}


@pytest.fixture(scope="module")
def trained(shards, tmp_path_factory):
    """Networks by their kind after two steps, so that batch normalisation has seen something."""

    @lru_cache
    def train(kind: str) -> Checkpoint:
        fixed = ("run.steps=2", "run.device=cpu", "eval.chunk=5", "eval.frames_limit=11")
        trainer = Trainer(load_config("debug", (*fixed, *KINDS[kind])), shards)
        for step in range(2):
            trainer.step(step)
        path = tmp_path_factory.mktemp("run") / LATEST
        trainer.save(path)
        return load_checkpoint(path)

    return train


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_are_those_of_the_evaluation(kind, trained, shards, tmp_path):
    state = trained(kind)
    export(state, shards, tmp_path / "out")
    scored = evaluate(state, tmp_path, shards, lambda _: None).embedded
    loaded = load_exported(tmp_path / "out")
    assert len(scored.keys) > 3
    for key, expected in zip(scored.keys, scored.embeddings, strict=True):
        silhouettes = shards.read(shards.find(key), "silhouettes")
        np.testing.assert_allclose(loaded.embed(silhouettes), expected, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frames", [1, 4])
def test_a_walk_seen_in_parts_is_the_walk_seen_at_once(kind, frames):
    torch.manual_seed(0)
    config = load_config("debug", KINDS[kind]).network
    network = GreyRecognition(Recognition(config, window=(64, 44), markers=8), 10).eval()
    clips = torch.randint(0, 256, (2, 13, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(network.in_parts(clips, frames), network(clips))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_graphs_say_the_same_for_any_number_of_clips_and_frames(kind, trained, shards, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    state = trained(kind)
    report = export(state, shards, tmp_path / "out", ("onnx", "torch"))
    assert set(report.files) == {SETTING, WEIGHTS, ONNX, TORCH} == set(report.differences) | {SETTING}
    plain = load_exported(tmp_path / "out")
    graph = torch.export.load(tmp_path / "out" / TORCH).module()
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / ONNX), providers=["CPUExecutionProvider"])
    for clips, frames in ((1, 1), (1, 11), (4, 2)):
        grey = grey_clips(report.about, clips, frames)
        expected = np.stack([plain.embed(clip) for clip in grey.numpy()])
        np.testing.assert_allclose(graph(grey).detach().numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(session.run(None, {"silhouettes": grey.numpy()})[0], expected, atol=1e-5)
    walk_through = grey_clips(report.about, 1, 9).numpy()[0]
    onnx = load_exported(tmp_path / "out", backend="onnx")
    np.testing.assert_allclose(onnx.embed(walk_through), plain.embed(walk_through), atol=1e-5)


def test_what_only_training_needs_stays_behind(trained, shards, tmp_path):
    state = trained("2d")
    report = export(state, shards, tmp_path / "out")
    names = set(load_file(tmp_path / "out" / WEIGHTS))
    assert not [name for name in names if name.startswith(("neck", "mesh"))]
    assert report.left_out > 0
    text = (tmp_path / "out" / SETTING).read_text()
    assert not [person for person in state.people if f'"{person}"' in text]


def test_it_is_used_without_shards_and_bodies(trained, shards, tmp_path):
    """In a process of its own that has no body model and may open no other file of the project's data."""
    state = trained("2d")
    export(state, shards, tmp_path / "out")
    script = """
import sys, numpy as np
from meshgait_model.inference import load_exported
loaded = load_exported(sys.argv[1])
print(loaded.embed(np.full((5, 64, 64), 255, np.uint8)).shape)
print([name for name in sys.modules if name.startswith(("zarr", "meshgait_data.shards", "meshgait_model.data"))])
"""
    said = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out")], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert said == ["(4, 8)", "[]"]


def test_distances_are_those_of_the_protocols():
    embeddings = np.random.default_rng(0).normal(size=(5, 4, 8)).astype(np.float32)
    expected = np.concatenate([block for _, block in blocks(embeddings, np.array([0]), np.arange(5), "euclidean")])
    np.testing.assert_allclose(distances(embeddings[0], embeddings)[None], expected, atol=1e-6)


def test_damage_and_misuse_are_said(trained, shards, tmp_path):
    state, out = trained("2d"), tmp_path / "out"
    export(state, shards, out)
    with pytest.raises(UsageError, match="exists"):
        export(state, shards, out)
    with pytest.raises(UsageError, match=r"model\.onnx is missing"):
        load_exported(out, backend="onnx")
    with pytest.raises(UsageError, match="no exported network"):
        load_exported(tmp_path)
    loaded = load_exported(out)
    for wrong in (np.zeros((3, 64, 44), np.uint8), np.zeros((0, 64, 64), np.uint8), np.zeros((3, 64, 64))):
        with pytest.raises(InvalidData, match="not uint8"):
            loaded.embed(wrong)
    weights, setting = (out / WEIGHTS).read_bytes(), json.loads((out / SETTING).read_text())
    (out / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(InvalidData, match="not the weights"):
        load_exported(out)
    (out / WEIGHTS).write_bytes(weights)
    for change, words in (
        ({"network": {**setting["network"], "bins": 2}}, "do not fit|strips"),
        ({"network": {**setting["network"], "embedding": 10**9}}, "do not fit"),
        ({"format": 2}, "format 2"),
        ({"cut": 40}, "no window"),
        ({"surplus": 1}, "surplus"),
    ):
        (out / SETTING).write_text(json.dumps(setting | change))
        with pytest.raises(InvalidData, match=words):
            load_exported(out)
    (out / SETTING).write_text("{")
    with pytest.raises(InvalidData, match="no JSON"):
        load_exported(out)


def test_weights_of_another_file_are_not_taken(trained, shards, tmp_path):
    out = tmp_path / "out"
    export(trained("2d"), shards, out)
    save_file({"backbone.stem.0.weight": torch.zeros(4, 1, 3, 3)}, out / WEIGHTS)
    with pytest.raises(InvalidData, match="not the weights"):
        load_exported(out)
