"""The config beside a tree: complete, and as OpenGait's trainer and tester want it."""

from pathlib import Path

import pytest
import yaml
from opengait_rules import Refused, check_gpus, read_config

from meshgait_data.errors import UsageError
from meshgait_data.export.opengait_config import EVALUATORS, TreeUsage, opengait_config, scored_as
from meshgait_data.manifest_protocol import Protocol

FILES = ("00_silhouettes.pkl", "01_joints.pkl", "02_frame_ids.pkl")


def text_of(tmp_path: Path, people: int = 74, title: str = "", usage: TreeUsage | None = None) -> str:
    (tmp_path / "partition.json").write_text(f'{{"TRAIN_SET": {str(["x"] * people).replace(chr(39), chr(34))}}}')
    text = opengait_config(
        "set", Protocol(title=title), tmp_path, partition="partition.json", files=FILES, people=people, usage=usage
    )
    (tmp_path / "opengait.yaml").write_text(text)
    return text


@pytest.mark.parametrize(
    ("people", "batch", "iterations"),
    [
        (3, [3, 16], 60_000),
        (74, [8, 16], 60_000),
        (3000, [32, 4], 60_000),
        (5153, [32, 8], 120_000),
        (20_000, [32, 4], 180_000),
    ],
)
def test_batches_and_lengths_are_those_that_were_published(
    tmp_path: Path, people: int, batch: list[int], iterations: int
) -> None:
    text_of(tmp_path, people)
    config = read_config(tmp_path / "opengait.yaml")
    assert config["trainer_cfg"]["sampler"]["batch_size"] == batch
    assert config["trainer_cfg"]["total_iter"] == iterations
    assert config["scheduler_cfg"]["milestones"][-1] < iterations
    assert config["evaluator_cfg"]["restore_hint"] == iterations
    assert config["model_cfg"]["SeparateBNNecks"]["class_num"] == people
    assert config["data_cfg"]["data_in_use"] == [True, False, False]
    check_gpus(config, 1)


@pytest.mark.parametrize("gpus", [1, 2, 3, 8])
def test_batches_can_be_shared_by_the_gpus(tmp_path: Path, gpus: int) -> None:
    text_of(tmp_path, people=5, usage=TreeUsage(gpus=gpus))
    config = read_config(tmp_path / "opengait.yaml")
    check_gpus(config, gpus)
    with pytest.raises(Refused):
        check_gpus(config, gpus + 1)


@pytest.mark.parametrize("name", EVALUATORS)
def test_the_evaluator_follows_from_the_protocol_or_is_named(tmp_path: Path, name: str) -> None:
    assert scored_as(Protocol(title=f"{name}, some protocol")) == scored_as(Protocol(title=name)) == name
    assert scored_as(Protocol(title=f"{name}2")) == scored_as(Protocol(title=f"Not {name}")) == ""
    for text in (text_of(tmp_path, title=name), text_of(tmp_path, usage=TreeUsage(scored_as=name))):
        config = yaml.safe_load(text)
        assert config["data_cfg"]["test_dataset_name"] == name
        assert config["evaluator_cfg"]["eval_func"] == EVALUATORS[name]
        assert "KeyError" not in text
        assert ("./datasets/Gait3D/Gait3D.json" in text) == (name == "Gait3D")


def test_a_protocol_that_opengait_does_not_know_is_said(tmp_path: Path) -> None:
    text = text_of(tmp_path, title="our own")
    assert "ends --phase test with a KeyError" in text
    assert yaml.safe_load(text)["data_cfg"]["test_dataset_name"] == "set"
    assert all(f"#   {name}\n" in text for name in FILES)
    assert "&id" not in text


@pytest.mark.parametrize(("wrong", "said"), [({"scored_as": "CASIA"}, "CASIA-B"), ({"gpus": 0}, "at least one")])
def test_what_opengait_cannot_do_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        TreeUsage(**wrong)  # type: ignore[arg-type]
    assert said in refusal.value.hint
