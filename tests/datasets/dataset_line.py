"""The whole line on a fake dataset, as a user runs it: index, fit, pack, and what comes out of each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fakes.plan import Fake, Planted

from meshgait_data.findings import Finding, from_jsonl
from meshgait_data.manifest_protocol import by_name
from meshgait_data.shards import Shards, open_shards
from meshgait_data.shards.verify import verify
from meshgait_model.protocols.files import write_embeddings
from meshgait_model.protocols.scoring import Embedded


@dataclass(frozen=True)
class Line:
    """A fake and its work folder."""

    fake: Fake
    work: Path
    mgdata: Any
    mgtrain: Any

    def index(self, *more: str) -> list[Finding]:
        """Index it; the findings."""
        result = self.mgdata("index", self.fake.manifest, "--root", self.fake.root, "--work", self.work, *more)
        assert result.exit_code in (0, 1), result.output
        assert "Traceback" not in result.output
        return from_jsonl((self.work / "findings.jsonl").read_text())

    def fit(self, select: str, *more: str) -> None:
        """Fit some walks."""
        result = self.mgdata("fit-smpl", self.work, "--select", select, "--no-pictures", *more)
        assert result.exit_code == 0, result.output

    def pack(self, *more: str) -> Shards:
        """Pack everything; the shards, which are unharmed."""
        out = self.work.with_name("shards")
        result = self.mgdata("pack", self.work, "--out", out, *more)
        assert result.exit_code in (0, 1), result.output
        assert verify(out, deep=True) == []
        return open_shards(out)

    def run(self, fit: str = "") -> "Done":
        """Index it, fit some walks if any are named, and pack."""
        findings = self.index()
        if fit:
            self.fit(fit)
        return Done(self, findings, self.pack())


@dataclass(frozen=True)
class Done:
    """What came of the whole line."""

    line: Line
    findings: list[Finding]
    """Of the index."""
    shards: Shards

    @property
    def fake(self) -> Fake:
        """What it began with."""
        return self.line.fake

    @property
    def work(self) -> Path:
        """Its work folder."""
        return self.line.work

    def score(self, *more: object) -> dict[str, Any]:
        """Figures of its protocols by name, of embeddings that need no training, as a user has them scored."""
        path = self.work.with_name("embeddings.npz")
        protocols = by_name(self.shards.protocol, self.shards.protocols)
        write_embeddings(path, embedded(self.shards), protocols)
        return self._figures("score", path, *more)

    def train_and_score(self, *more: object) -> dict[str, Any]:
        """The same of a network that was trained for two steps."""
        run, shards = self.work.with_name("run"), self.work.with_name("shards")
        options = ("-o", "run.steps=2", "-o", "run.device=cpu")
        trained = self.line.mgtrain("run", "debug", "--shards", shards, "--out", run, *options)
        assert trained.exit_code == 0, trained.output
        return self._figures("eval", run, "--protocol", "all", *more)

    def _figures(self, *command: object) -> dict[str, Any]:
        result = self.line.mgtrain(*command, "--json")
        assert result.exit_code == 0, result.output
        protocols: dict[str, Any] = json.loads(result.stdout)["protocols"]
        return protocols


def unfound(planted: Sequence[Planted], findings: Sequence[Finding]) -> list[Planted]:
    """Defects that no finding tells of."""
    return [defect for defect in planted if not any(_tells(one, defect) for one in findings)]


def _tells(finding: Finding, defect: Planted) -> bool:
    told = f"{finding.where} {finding.message}"
    return finding.id == defect.finding and defect.where in told and defect.says in told


def assert_same_frames(shards: Shards, fake: Fake, *, ids: bool = True) -> None:
    """Every frame that was not harmed is there, under its number, with the pixels of the published pretreatment."""
    expected: dict[str, Mapping[int, Any]] = {key: frames for key, frames in fake.silhouettes.items() if frames}
    there = {f"{key.subject}/{key.condition}/{key.view}": key for key in (record.key for record in shards.sequences)}
    assert sorted(there) == sorted(expected)
    for name, frames in expected.items():
        arrays = shards.sequence(there[name]).arrays
        if ids:
            assert arrays["frame_ids"].tolist() == list(frames), name
        np.testing.assert_array_equal(arrays["silhouettes"], np.stack(list(frames.values())), err_msg=name)


def embedded(shards: Shards) -> Embedded:
    """Embeddings of the test side that need no training: the mean silhouette, coarsely."""
    tested = [record for record in shards.sequences if record.side == "test"]
    values = []
    for record in tested:
        mean = shards.sequence(record).arrays["silhouettes"].mean(axis=0)
        values.append(mean.reshape(8, 8, 8, 8).mean(axis=(1, 3)))
    keys = tuple(record.key for record in tested)
    lists = {"PROBE_SET": shards.split.probe, "GALLERY_SET": shards.split.gallery}
    # Rows of 8 x 8 pixels are strips of the body.
    return Embedded(np.stack(values).astype(np.float32), keys, tuple(record.identity for record in tested), lists)
