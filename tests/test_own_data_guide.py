"""The tutorials of docs/own-data.md run as they stand there, on a few generated people."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from fakes.plan import write_picture
from fakes.walkers import View, film

from meshgait_data.shards import open_shards

Program = Callable[..., Result]
GUIDE = (Path(__file__).parents[1] / "docs" / "own-data.md").read_text(encoding="utf-8")
FRAMES = 20


def section(title: str) -> str:
    """Text below a heading."""
    return GUIDE.split(f"## {title}\n")[1].split("\n## ")[0]


def write_silhouettes(folder: Path, view: View) -> None:
    for number, mask in enumerate(view.masks):
        write_picture(folder / f"{number:04d}.png", mask)


def write_keypoints(folder: Path, view: View) -> None:
    seen = view.keypoints("openpose18", noise_px=1.0)
    folder.mkdir(parents=True)
    for number in range(FRAMES):
        triplets = np.concatenate([np.nan_to_num(seen.points[number]), seen.confidence[number][:, None]], axis=1)
        person = {"pose_keypoints_2d": triplets.ravel().round(3).tolist()}
        (folder / f"{number:012d}_keypoints.json").write_text(json.dumps({"people": [person]}))


@pytest.mark.parametrize(
    ("title", "folder", "write", "shards"),
    [
        pytest.param("From silhouettes", "silhouettes", write_silhouettes, "shards", id="silhouettes"),
        pytest.param("From keypoints", "keypoints", write_keypoints, "shards2", id="keypoints"),
    ],
)
def test_the_commands_run(
    title: str,
    folder: str,
    write: Callable[[Path, View], None],
    shards: str,
    mgdata: Program,
    mgtrain: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for person in range(4):
        for take in range(2):
            for name, view in film(person, take, views=("036", "090"), frames=FRAMES).views.items():
                write(tmp_path / folder / f"p00{person + 1}" / f"0{take + 1}" / name, view)
    text = section(title)
    for name, content in re.findall(r"```yaml (\S+)\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MESHGAIT_CACHE", str(tmp_path / "cache"))
    programs = {"mgdata": mgdata, "mgtrain": mgtrain}
    lines = [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert len(lines) >= 8
    for line in lines:
        program, *arguments = shlex.split(line)
        result = programs[program](*arguments)
        assert result.exit_code == 0, f"{line}\n{result.output}"
    packed = open_shards(tmp_path / shards)
    assert {record.side for record in packed.sequences} == {"train", "test"}
    assert {"joints", "markers", "silhouettes"} <= set(packed.fields)


def test_every_command_of_the_page_is_run_or_named() -> None:
    blocks = re.findall(r"```(\S+)", GUIDE)
    assert set(blocks) <= {"text", "yaml", "bash"}
    assert GUIDE.count("```bash") == section("From silhouettes").count("```bash") + section("From keypoints").count(
        "```bash"
    )
