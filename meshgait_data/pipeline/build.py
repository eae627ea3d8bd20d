"""The whole line in one go: index, fit, pack; each stage resumes, so that running it again continues."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_search import Progress
from meshgait_data.errors import SOME_FAILED, InvalidData, UsageError
from meshgait_data.findings import Finding, Severity
from meshgait_data.index import Index, scan, write_index
from meshgait_data.manifest import Manifest
from meshgait_data.pipeline.fit import FitReport, FitStageSettings, fit_work
from meshgait_data.pipeline.markers import ensure_markers
from meshgait_data.pipeline.pack import PackReport, PackSettings, pack


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What each stage did."""

    work: Path
    index: Index
    findings: tuple[Finding, ...]
    """Of the index."""
    fit: FitReport
    pack: PackReport

    @property
    def unusable(self) -> int:
        """Errors that the index found: walks that cannot be used, or a manifest that disagrees with the data."""
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0, or 1 where some captures failed in any stage."""
        return SOME_FAILED if self.unusable or self.fit.report.failures or self.pack.report.failures else 0


def default_work(out: Path) -> Path:
    """Work folder beside the shards.

    >>> default_work(Path("data/shards")).as_posix()
    'data/shards.work'
    """
    return out.with_name(out.name + ".work")


def build(
    manifest: Manifest,
    out: Path,
    *,
    root: Path | None = None,
    work: Path | None = None,
    settings: PackSettings | None = None,
    announce: Callable[[str], None] = lambda line: None,
) -> BuildReport:
    """Index, fit and pack a dataset.

    Parameters
    ----------
    manifest
        What the dataset is.
    out
        Folder of the packed dataset.
    root
        Folder of the source; by default the manifest's.
    work
        Folder of index and fits; by default ``<out>.work``.
    settings
        How to pack; body, selection, jobs and progress hold for the fit too.
    announce
        Called with a line at the start of each stage.

    Raises
    ------
    UsageError
        Where there is no root.
    InvalidData
        Where no walk can be used, or none can be packed.
    """
    settings = settings or PackSettings()
    root = root or manifest.default_root()
    if root is None:
        raise UsageError(f"the manifest {manifest.name} names no root", hint="say where the data lie with --root DIR")
    work = work or default_work(out)
    body = load_body(settings.body)  # A missing file is told before anything is written.
    announce(f"1/3 index: {root}")
    index, findings = scan(manifest, root, jobs=settings.jobs, progress=settings.progress)
    if not index.rows:
        hint = f"mgdata index {manifest.name} --root {root} --work {work} says why"
        raise InvalidData(f"no walk below {root} can be used", hint=hint)
    write_index(work, index, findings)
    announce("2/3 fit-smpl")
    fit = fit_work(
        work,
        FitStageSettings(settings.body, settings.select, jobs=settings.jobs, progress=settings.progress),
    )
    if settings.markers is None:
        ensure_markers(work, body, progress=_announcing(announce))
    announce(f"3/3 pack: {out}")
    return BuildReport(work, index, tuple(findings), fit, pack(work, out, settings))


def _announcing(announce: Callable[[str], None]) -> Progress:
    """Say once that markers are being learned: it takes about a minute, for a body that none ship for."""
    told: list[str] = []

    def progress(step: str, share: float) -> None:
        if not told:
            announce("    no virtual markers ship for this body: learning them (about a minute)")
            told.append(step)

    return progress
