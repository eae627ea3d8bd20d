"""``mgdata index`` as users meet it: summary, exit codes, and a clear way out for every kind of bad input."""

import json
import shutil

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from meshgait_data.index import read_index
from meshgait_data.manifest import dump_yaml, load_manifest
from meshgait_data.types import CaptureKey

CMU = load_manifest("cmu_walk")


@pytest.fixture
def root(tmp_path):
    """Two people of the shipped walks, in the layout of the database."""
    for subject, conditions in {"07": ("01", "02"), "16": ("15", "16")}.items():
        folder = tmp_path / "data" / "asfamc" / subject
        folder.mkdir(parents=True)
        for name in (f"{subject}.asf", *(f"{subject}_{condition}.amc" for condition in conditions)):
            shutil.copy(CMU.default_root() / "asfamc" / subject / name, folder / name)
    return tmp_path / "data"


@pytest.fixture
def manifest(tmp_path):
    """A manifest that knows the two people only."""
    plain = yaml.safe_load(dump_yaml(CMU)) | {
        "root": "",
        "same_person": [],
        "split": {"train": ["07"], "test": ["16"]},
        "protocol": {"gallery": ["16/15"]},
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(plain))
    return path


@pytest.fixture
def index(mgdata, manifest, root, tmp_path):
    """Run ``mgdata index`` on the two people; no run may end in a traceback."""

    def run(*args):
        result = mgdata("index", manifest, "--root", root, "--work", tmp_path / "work", *args)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        assert not list(tmp_path.rglob("*.tmp"))
        return result

    return run


def test_shipped_data(mgdata, tmp_path):
    result = mgdata("index", "cmu_walk", "--work", tmp_path)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "captures   69",
        "sequences  759 in 11 views",
        "people     12 under 14 subject names: 6 train, 6 test, 0 unused",
        "frames     6552 at 30 fps (3.6 min)",
        "findings   0 errors, 0 warnings, 1 notes",
        f"  MG-INDEX-004       note     1  {CMU.default_root()}/LICENCE.txt: 1 file not used: LICENCE.txt"[:150],
        f"next       mgdata fit-smpl {tmp_path}",
    ]
    assert len(read_index(tmp_path).rows) == 759


def test_help_has_examples(mgdata):
    assert "Examples:\n    mgdata index cmu_walk --work work/\n" in mgdata("index", "-h").output


def test_json(index, root):
    (root / "asfamc/07/07_02.amc").write_text("junk")
    result = index("--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert (answer["captures"], answer["unusable"], answer["sequences"]) == (3, 1, 33)
    assert [finding["id"] for finding in answer["findings"]] == ["MG-INDEX-001"]


def test_running_again_changes_nothing(index, tmp_path):
    def content():
        return {path.name: path.read_bytes() for path in (tmp_path / "work").iterdir()}

    assert index().exit_code == 0
    first = content()
    assert index("--jobs", 2).exit_code == 0
    assert content() == first


def test_motion_cut_in_the_middle(index, root, tmp_path):
    path = root / "asfamc/07/07_01.amc"
    path.write_bytes(path.read_bytes()[:230_000])
    result = index()
    assert result.exit_code == 0, "what is left is long enough to be used"
    assert f"warning MG-SOURCE-001 {path}: the file breaks off in frame 299: used up to frame 298" in result.stderr
    assert "try: take the file from its source again" in result.stderr
    assert read_index(tmp_path / "work").row(CaptureKey("cmu_walk", "07", "01")).frames == 75


def test_motion_cut_near_its_start(index, root):
    path = root / "asfamc/07/07_01.amc"
    path.write_bytes(path.read_bytes()[:30_000])
    result = index()
    assert result.exit_code == 1
    assert f"error MG-INDEX-001 {path}: cmu_walk/07/01 cannot be used: only 0.32 s can be used" in result.stderr
    assert "captures   3, 1 cannot be used" in result.stdout


def test_skeleton_with_an_unknown_joint(index, root, tmp_path):
    path = root / "asfamc/16/16.asf"
    path.write_text(path.read_text().replace("    rfoot rtoes", "    rfoot rtoes rheel"))
    result = index()
    assert result.exit_code == 1
    assert result.stderr.count(f"{path}:322: cmu_walk/16/1") == 2
    assert "the hierarchy names joint 'rheel', which :bonedata does not define" in result.stderr
    assert "try: define it or take it out" in result.stderr
    assert "protocol: gallery" in result.stderr, "the protocol can no longer be scored"
    assert {key.subject for key in read_index(tmp_path / "work").captures()} == {"07"}


def test_frames_that_are_not_finite(index, root):
    path = root / "asfamc/16/16_15.amc"
    lines = path.read_text().splitlines()
    at = lines.index("100")
    lines[at + 1] = "root nan nan nan 0 0 0"
    path.write_text("\n".join(lines) + "\n")
    result = index()
    assert result.exit_code == 0
    assert f"warning MG-SOURCE-002 {path}: 1 of 462 frames hold numbers that are not finite: 100" in result.stderr


def test_garbage_among_good_files(index, root):
    path = root / "asfamc/07/07_02.amc"
    path.write_bytes(bytes(range(256)) * 40)
    result = index()
    assert result.exit_code == 1
    assert f"{path}: cmu_walk/07/02 cannot be used: binary data where text was expected" in result.stderr
    assert "captures   3, 1 cannot be used" in result.stdout


def test_nothing_can_be_used(index, root, tmp_path):
    for path in root.rglob("*.amc"):
        path.write_text("")
    result = index()
    assert result.exit_code == 4
    assert result.stderr.count("the file is empty") == 4
    assert "no walk below" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "work").exists()


def test_empty_folder(mgdata, manifest, tmp_path):
    (tmp_path / "empty").mkdir()
    result = mgdata("index", manifest, "--root", tmp_path / "empty", "--work", tmp_path / "work")
    assert result.exit_code == 4
    assert "error MG-INDEX-003" in result.stderr
    assert f"a path that would match: {tmp_path}/empty/asfamc/16/16_15.amc" in result.stderr
    assert not (tmp_path / "work").exists()


def test_many_findings_are_not_all_printed(index, root, tmp_path):
    for number in range(30, 60):
        (root / f"asfamc/07/07_{number}.amc").write_text("")
    result = index()
    assert result.exit_code == 1
    assert result.stderr.count("MG-INDEX-001") == 20
    assert f"and 11 more; all are in {tmp_path / 'work' / 'findings.jsonl'}" in result.stderr
    assert len((tmp_path / "work" / "findings.jsonl").read_text().splitlines()) == 31


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("keep_every:", "keep_evry:", "source: unknown key 'keep_evry'", "did you mean 'keep_every'?"),
        ("format: asf_amc", "format: asfamc", "'asfamc' is not one of the choices", "did you mean 'asf_amc'?"),
        ("fps: 120.0", "fps: fast", "expected float or 'file', found str 'fast'", ""),
        ("{subject}_{condition}.amc", "{subject}_{take}.amc", "must name {condition} and {subject}", ""),
        ("layout:", "layout: [", "not valid YAML", ""),
    ],
)
def test_wrong_manifest(index, manifest, tmp_path, old, new, message, hint):
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))
    result = index()
    assert result.exit_code == 4
    assert result.stderr.startswith(f"error: {manifest}")
    assert message in result.stderr
    assert hint in result.stderr
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("args", "message", "hint"),
    [
        (("nowhere.yaml",), "no file and no shipped name 'nowhere.yaml'", "one of: "),
        (("cmu_walk", "--root", "gone"), "gone: no such folder", "--root DIR"),
        (("cmu_walk", "--root", __file__), "is a file", ""),
        (("cmu_walk", "--jobs", "0"), "0 is not in the range", ""),
    ],
)
def test_wrong_usage(mgdata, tmp_path, args, message, hint):
    result = mgdata("index", *args, "--work", tmp_path / "work")
    assert result.exit_code == 2
    assert message in result.stderr
    assert hint in result.stderr
    assert not (tmp_path / "work").exists()


def test_manifest_without_root(mgdata, manifest, tmp_path):
    result = mgdata("index", manifest, "--work", tmp_path / "work")
    assert result.exit_code == 2
    assert "--root DIR" in result.stderr


def test_work_folder_that_cannot_be_made(mgdata, manifest, root, tmp_path):
    (tmp_path / "file").write_text("")
    result = mgdata("index", manifest, "--root", root, "--work", tmp_path / "file" / "work")
    assert result.exit_code == 3
    assert "cannot write" in result.stderr


@pytest.fixture
def filmed(tmp_path):
    """Masks of two walks, each seen by two cameras; one view cannot be used."""
    for place in ("07/nm-01/000", "07/nm-01/090", "16/nm-01/000", "16/nm-01/090"):
        folder = tmp_path / "masks" / place
        folder.mkdir(parents=True)
        for frame in range(6):
            image = np.zeros((64, 64), np.uint8)
            image[4 + frame : 60, 20:40] = 0 if place == "16/nm-01/090" else 255
            cv2.imwrite(str(folder / f"{frame:03d}.png"), image)
    plain = yaml.safe_load(dump_yaml(CMU)) | {"same_person": [], "split": {"train": ["07"], "test": ["16"]}}
    plain |= {
        "root": str(tmp_path / "masks"),
        "protocol": {"gallery": []},
        "layout": {"pattern": "{subject}/{condition}/{view}"},
        "source": {"fps": 25, "min_seconds": 0, "silhouettes": {"path": "{folder}", "format": "images"}},
    }
    path = tmp_path / "filmed.yaml"
    path.write_text(yaml.safe_dump(plain))
    return path


def test_views_kinds_and_findings_are_counted(mgdata, filmed, tmp_path):
    result = mgdata("index", filmed, "--work", tmp_path / "work")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[:3] == ["sequences  000  090  all views", "nm-01        2    1          3", ""]
    assert "sequences  3 in 2 views, 1 views or kinds cannot be used" in lines
    assert "           3 with silhouettes, 18 frames" in lines
    assert ["MG-INDEX-001", "error", "1"] in [line.split()[:3] for line in lines]
    again = json.loads(mgdata("index", filmed, "--work", tmp_path / "work", "--json").stdout)
    assert again["by_view"] == {"nm-01": {"000": 2, "090": 1}}
    assert again["by_kind"] == {"silhouettes": {"sequences": 3, "frames": 18}}
    assert again["by_id"]["MG-INDEX-001"]["count"] == 1


def test_quick_writes_nothing(mgdata, filmed, tmp_path):
    result = mgdata("index", filmed, "--work", tmp_path / "work", "--quick")
    assert result.exit_code == 0, "what is in files it does not see"
    assert "sequences  4 in 2 views" in result.stdout
    assert not (tmp_path / "work").exists()


def test_a_partition_that_is_missing_costs_only_the_split(mgdata, filmed, tmp_path):
    plain = yaml.safe_load(filmed.read_text())
    plain["split"] = {"partition": {"path": "who.json", "source": "from its owners"}}
    filmed.write_text(yaml.safe_dump(plain))
    result = mgdata("index", filmed, "--work", tmp_path / "work")
    assert result.exit_code == 1
    assert "error MG-INDEX-028" in result.stderr
    assert "from its owners; put it there" in result.stderr
    assert "sequences  3 in 2 views, 1 views or kinds cannot be used" in result.stdout.splitlines()
    assert "0 train, 0 test" in result.stdout
    assert len(pq.read_table(tmp_path / "work" / "index.parquet")) == 3
