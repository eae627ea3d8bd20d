import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "model"))
from walk_shards import make_shards

from meshgait_data.shards.reader import open_shards
from meshgait_model.inference import load_exported


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    return make_shards(tmp_path_factory.mktemp("mgtrain_export") / "shards")


def test_a_run_is_exported_and_gives_the_embeddings_of_its_evaluation(mgtrain, packed, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out"
    overrides = ("-o", "run.steps=1", "-o", "run.device=cpu")
    assert mgtrain("run", "debug", "--shards", packed, "--out", run, *overrides).exit_code == 0
    assert mgtrain("eval", run).exit_code == 0
    result = mgtrain("export", run, "--out", out)
    assert result.exit_code == 0, result.output
    assert "M are for training only" in result.stdout
    assert f"file      {out / 'model.safetensors'}" in result.stdout
    model, shards = load_exported(out), open_shards(packed)
    with np.load(run / "embeddings.npz", allow_pickle=False) as file:
        embeddings, keys = file["embeddings"], file["keys"].tolist()
    for key, expected in zip(keys, embeddings, strict=True):
        silhouettes = shards.read(shards.find(key), "silhouettes")
        np.testing.assert_allclose(model.embed(silhouettes), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("export", "nowhere", "--out", "x"), 2, "mgtrain run"),
        (("export", "nowhere", "--out", "x", "--format", "tflite"), 2, "safetensors, onnx, torch"),
    ],
)
def test_misuse_is_said(command, code, words, mgtrain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = mgtrain(*command)
    assert result.exit_code == code
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []
