"""One job of packing: render and label the captures of a part and write it."""

import hashlib
import json
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshgait_data import __version__
from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_SET
from meshgait_data.errors import InvalidData, ShardError
from meshgait_data.findings import Finding, Severity, to_jsonl
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.index import IndexRow
from meshgait_data.manifest import Manifest
from meshgait_data.pipeline.render import failed_views
from meshgait_data.pipeline.runner import Outcome, run_jobs
from meshgait_data.render.sequence import drop_findings, render_views
from meshgait_data.shards.checksums import compare
from meshgait_data.shards.reader import Part, open_part
from meshgait_data.shards.schema import SCHEMA_VERSION
from meshgait_data.shards.zarr import remove_part, write_part
from meshgait_data.types import CaptureKey, MarkerSet, SequenceData

if TYPE_CHECKING:
    from meshgait_data.body.joints import JointRegressor

STAGE = "pack"


@dataclass(frozen=True, slots=True, eq=False)
class Ingredients:
    """What all parts of a dataset share."""

    work: Path
    manifest: Manifest
    body: Body
    markers: MarkerSet
    joints: "JointRegressor | None" = None
    """The joint set of the labels; None: the body's own 24."""


@dataclass(frozen=True, slots=True)
class PartPlan:
    """One part: what is to lie in it, and a hash over everything that it follows from."""

    folder: Path
    rows: tuple[IndexRow, ...]
    """Sequences, in order; all views of a capture are in one part."""
    fingerprint: str

    @property
    def captures(self) -> list[CaptureKey]:
        """Walks, in order."""
        return list(dict.fromkeys(row.capture for row in self.rows))


@dataclass(frozen=True, slots=True)
class PartResult:
    """What became of the captures of a part."""

    outcomes: tuple[Outcome, ...]
    """One a capture, and one more for each view that failed alone; without values."""


def versions() -> dict[str, str]:
    """Package versions that packed data depend on."""
    return {"meshgait": __version__, **{name: version(name) for name in ("numpy", "numcodecs", "zarr")}}


def plan_part(folder: Path, rows: tuple[IndexRow, ...], shared: Ingredients) -> PartPlan:
    """Plan one part; reads the fit files of its captures to hash them."""
    inputs = {
        "schema": SCHEMA_VERSION,
        "versions": versions(),
        "manifest": shared.manifest.sha256(),
        "body": shared.body.sha256,
        "markers": markers_sha256(shared.markers),
        "joints": _joints(shared.joints),
        "sequences": [str(row.key) for row in rows],
        "fits": {str(key): _file_sha256(fit_path(shared.work, key)) for key in {row.capture for row in rows}},
    }
    return PartPlan(folder, rows, hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest())


def markers_sha256(markers: MarkerSet) -> str:
    """Hash over what labels follow from: which vertices the markers are."""
    return hashlib.sha256(markers.vertex_ids.astype("<i8").tobytes()).hexdigest()


def reusable(plan: PartPlan) -> Part | None:
    """The part as it lies there if it is whole, undamaged (every byte is read) and follows from the same input."""
    try:
        part = open_part(plan.folder)
    except ShardError:
        return None
    same = part.provenance.get("fingerprint") == plan.fingerprint
    whole = [record.key for record in part.sequences] == [row.key for row in plan.rows]
    damage = (finding.severity is Severity.ERROR for finding in compare(plan.folder, part.manifest, deep=True))
    return part if same and whole and not any(damage) else None


def pack_part(plan: PartPlan, shared: Ingredients) -> PartResult:
    """Render, label and write one part; what lay there before is replaced.

    Captures and views that fail are outcomes and left out; where all of them fail, nothing is written.
    """
    jobs = [(str(key), (key, _views(plan, key), shared)) for key in plan.captures]
    report = run_jobs(STAGE, _render_capture, jobs, workers=1, progress=False)
    sequences: list[SequenceData] = []
    findings: list[Finding] = []
    outcomes: list[Outcome] = []
    for outcome in report.outcomes:
        rendered = outcome.value or _Rendered((), (), ())
        sequences += rendered.sequences
        findings += rendered.findings
        outcomes += [replace(outcome, value=None), *rendered.failures]
    if plan.folder.exists():
        remove_part(plan.folder)
    if sequences:
        write_part(plan.folder, sequences, manifest=shared.manifest, provenance=_provenance(plan, shared, findings))
    return PartResult(tuple(outcomes))


@dataclass(frozen=True, slots=True, eq=False)
class _Rendered:
    sequences: tuple[SequenceData, ...]
    findings: tuple[Finding, ...]
    failures: tuple[Outcome, ...]


def _render_capture(key: CaptureKey, rows: tuple[IndexRow, ...], shared: Ingredients) -> _Rendered:
    fit = read_fit(fit_path(shared.work, key))
    if fit.provenance.get("source_sha256", rows[0].sha256) != rows[0].sha256:
        hint = f"run 'mgdata fit-smpl {shared.work}' again"
        raise InvalidData("the fit is not of the files that the index lists", where=str(key), hint=hint)
    views = [row.view for row in rows]
    sequences, failures = render_views(shared.body, shared.markers, fit, shared.manifest, views, joints=shared.joints)
    findings = tuple(finding for sequence in sequences for finding in drop_findings(sequence, fit))
    return _Rendered(tuple(sequences), findings, failed_views(failures))


def _views(plan: PartPlan, key: CaptureKey) -> tuple[IndexRow, ...]:
    return tuple(row for row in plan.rows if row.capture == key)


def _provenance(plan: PartPlan, shared: Ingredients, findings: list[Finding]) -> dict[str, Any]:
    return {
        "fingerprint": plan.fingerprint,
        "versions": versions(),
        "manifest_sha256": shared.manifest.sha256(),
        "body": {"name": shared.body.name, "sha256": shared.body.sha256},
        "markers": {"name": shared.markers.name, "sha256": markers_sha256(shared.markers)},
        "joints": _joints(shared.joints),
        "findings": to_jsonl(findings).splitlines(),
    }


def _joints(joints: "JointRegressor | None") -> dict[str, str]:
    """Name of the joint set and hash over what its joints follow from."""
    if joints is None:
        return {"name": SMPL_SET, "sha256": ""}
    entries = joints.matrix.tocoo()
    parts = entries.row.astype("<i8"), entries.col.astype("<i8"), entries.data.astype("<f8")
    return {
        "name": joints.joint_set,
        "sha256": hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest(),
    }


def _file_sha256(path: Path) -> str:
    """Empty where there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
