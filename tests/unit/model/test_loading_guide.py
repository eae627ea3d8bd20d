"""The examples of docs/loading.md run as they stand there, one after the other."""

import re
from pathlib import Path

from walk_shards import TEST, VIEWS, walk, write_dataset_of

from meshgait_data.types import CaptureKey

GUIDE = Path(__file__).parents[3] / "docs" / "loading.md"


def test_the_examples_of_the_guide_run(tmp_path, monkeypatch):
    people = ("05", "06", "07", "08", "10", "43", *TEST[:2])
    keys = [(CaptureKey("cmu_walk", person, "01"), view) for person in people for view in VIEWS]
    sequences = [walk(key, view, 20 + 3 * n, n, identity=key.subject) for n, (key, view) in enumerate(keys)]
    write_dataset_of(tmp_path / "shards", [sequences])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MESHGAIT_CACHE", str(tmp_path / "default"))
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) >= 9
    names = {}
    for number, example in enumerate(examples):
        exec(compile(example, f"{GUIDE.name}, example {number + 1}", "exec"), names)
    assert names["batch"].step == 4
    assert names["data"].cache.cache == "mmap"
    assert (tmp_path / "decoded").is_dir()
    assert len(names["one"].sequences) == len(names["two"].sequences) == 12
