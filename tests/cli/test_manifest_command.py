"""``mgdata manifest`` as users meet it: every problem with its line, a folder compared, a first manifest proposed."""

import json
import os
import pty
import shutil
import subprocess
import sys
from importlib.resources import files

import cv2
import numpy as np
import pytest
import yaml

from meshgait_data.manifest import dump_yaml, load_manifest

CMU = load_manifest("cmu_walk")


@pytest.fixture
def root(tmp_path):
    """Two people who walk twice in front of two cameras, masks as pictures, and a stray file."""
    for subject in ("p1", "p2"):
        for walk in ("a", "b"):
            for view in ("cam1", "cam2"):
                folder = tmp_path / "data" / subject / walk / view
                folder.mkdir(parents=True)
                for frame in range(5):
                    image = np.zeros((40, 32), np.uint8)
                    cv2.ellipse(image, (10 + frame, 20), (4, 12), 0, 0, 360, 255, -1)
                    (folder / f"{frame:03d}.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    (tmp_path / "data" / "notes.pdf").write_bytes(b"x")
    return tmp_path / "data"


def test_wrong_manifests_tell_every_problem(mgdata, tmp_path):
    plain = yaml.safe_load(dump_yaml(CMU))
    plain["source"] |= {"fsp": 3, "keep_every": 0, "joint_map": "cmv", "format": "asf"}
    plain["split"]["train"].append(7)
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(plain, sort_keys=False))
    done = mgdata("manifest", "check", path, "cmu_walk")
    assert done.exit_code == 4
    lines = path.read_text().splitlines()
    for what, text in {
        "source: unknown key 'fsp'": "  fsp: 3",
        "source: fps=": "",
        "source.joint_map: ": "  joint_map: cmv",
        "source.format: 'asf' is not one of": "  format: asf",
        "split.train[6]: expected str": "  - 7",
    }.items():
        if text:
            line, column = lines.index(text) + 1, text.index(text.split()[-1]) + 1
            column = text.index("fsp") + 1 if "fsp" in text else column
            assert f"{path}:{line}:{column}: {what}" in done.stderr
    assert "did you mean 'fps'?" in done.stderr
    assert "quote it: '7'" in done.stderr
    assert "cmu_walk: CMU motion capture" in done.stdout, "the other file is checked too"
    assert "1 of 2 manifests cannot be used" in done.stderr


def test_json_of_problems(mgdata, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("schema: 1\nname: [\n")
    done = mgdata("manifest", "check", path, "--json")
    assert done.exit_code == 4
    (problem,) = json.loads(done.stdout)["files"][0]["problems"]
    assert problem["line"] in (2, 3)
    assert "not valid YAML" in problem["what"]


def test_shipped_manifests_are_right(mgdata):
    names = sorted(
        path.name.removesuffix(".yaml") for path in (files("meshgait_data.manifests") / "datasets").iterdir()
    )
    done = mgdata("manifest", "check", *names)
    assert done.exit_code == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(names)


def test_a_folder_is_compared(mgdata, root, tmp_path):
    path = tmp_path / "mine.yaml"
    assert mgdata("manifest", "new", root, "--yes", "--out", path).exit_code == 0
    done = mgdata("manifest", "check", path, "--root", root)
    assert done.exit_code == 0, done.stderr
    assert "sequences  8 of 8 walks: silhouettes of 8" in done.stdout
    assert "2 subjects; 1 test, 1 train" in done.stdout
    (root / "p1" / "a" / "cam1" / "005.png").write_bytes(b"")
    shutil.copytree(root / "p1" / "a" / "cam1", root / "odd" / "cam1")
    done = mgdata("manifest", "check", path, "--root", root, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)["files"][0]["on_disk"]
    assert found["sequences"] == 8
    assert {"MG-INDEX-005", "MG-INDEX-016"} <= {finding["id"] for finding in found["findings"]}
    path.write_text(path.read_text().replace("'{subject}/{condition}/{view}'", "'x/{subject}/{condition}/{view}'"))
    done = mgdata("manifest", "check", path, "--root", root)
    assert done.exit_code == 4
    assert "is a sequence of" in done.stderr
    assert mgdata("manifest", "check", path, path, "--root", root).exit_code == 2
    assert mgdata("manifest", "check", path, "--root", tmp_path / "none").exit_code == 2
    assert mgdata("manifest", "check", tmp_path / "none.yaml").exit_code == 2


def test_new_proposes_what_indexes(mgdata, root, tmp_path):
    path = tmp_path / "mine.yaml"
    done = mgdata("manifest", "new", root, "--yes")
    assert done.exit_code == 0
    assert yaml.safe_load(done.stdout)["layout"]["pattern"] == "{subject}/{condition}/{view}"
    assert mgdata("manifest", "new", root, "--yes", "--out", path).exit_code == 0
    assert path.read_text() == done.stdout
    again = mgdata("manifest", "new", root, "--yes", "--out", path)
    assert (again.exit_code, "exists" in again.stderr) == (2, True)
    assert mgdata("manifest", "new", root, "--yes", "--out", path, "--force").exit_code == 0
    indexed = mgdata("index", path, "--root", root, "--work", tmp_path / "work", "--json")
    assert indexed.exit_code == 0, indexed.stderr
    assert json.loads(indexed.stdout)["sequences"] == 8
    assert mgdata("manifest", "new", tmp_path / "nowhere").exit_code == 2
    (tmp_path / "empty").mkdir()
    assert mgdata("manifest", "new", tmp_path / "empty").exit_code == 4


def test_new_asks_on_a_terminal(root, tmp_path):
    path = tmp_path / "mine.yaml"
    answers = [
        "Two words",
        "my_lab",
        "My lab's walks",
        "https://lab",
        "Us, 2024",
        "ours",
        "Ask us.",
        "mail",
        "n",
        "50",
        "y",
    ]
    master, terminal = pty.openpty()
    command = [shutil.which("mgdata", path=os.path.dirname(sys.executable)), "manifest", "new", root, "--out", path]
    with subprocess.Popen(command, stdin=terminal, stderr=subprocess.PIPE, text=True) as running:
        os.write(master, "".join(f"{answer}\n" for answer in answers).encode())
        _, asked = running.communicate(timeout=60)
    assert running.returncode == 0, asked
    assert "small letters, digits and _ only" in asked
    manifest = load_manifest(str(path))
    assert (manifest.name, manifest.title, manifest.licence.request) == ("my_lab", "My lab's walks", "mail")
    assert manifest.source.fps == 50
    assert manifest.layout.captures == "together"


def test_schema(mgdata, tmp_path):
    done = mgdata("manifest", "schema")
    assert json.loads(done.stdout)["$schema"].endswith("2020-12/schema")
    assert mgdata("manifest", "schema", "--out", tmp_path / "s.json").exit_code == 0
    assert (tmp_path / "s.json").read_text() == done.stdout
