"""Convert between what packed data come in: Zarr, HDF5, trees of OpenGait, and older schema versions."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from meshgait_data.errors import SOME_FAILED, UsageError
from meshgait_data.export.opengait_config import TreeUsage
from meshgait_data.findings import Finding, Severity
from meshgait_data.pipeline.convert_export import export_tree
from meshgait_data.pipeline.convert_parts import Written
from meshgait_data.pipeline.convert_shards import convert_shards
from meshgait_data.pipeline.convert_tree import convert_tree
from meshgait_data.shards.dataset import DATASET, DatasetInfo, is_part_name
from meshgait_data.shards.legacy import legacy_version

Target = Literal["zarr", "hdf5", "opengait"]
"""What can be written."""


@dataclass(frozen=True, slots=True)
class ConvertSettings:
    """How data are converted."""

    format: Target = "zarr"
    fields: tuple[str, ...] = ()
    """To a tree: modalities beside the silhouettes."""
    usage: TreeUsage | None = None
    """To a tree: what the config beside it is for."""
    manifest: str = ""
    """From a tree: name or path of what it does not say."""
    partition: Path | None = None
    """From a tree: JSON whose split is taken."""
    silhouettes: str = ""
    """From a tree: modality that is the silhouettes."""
    jobs: int = 1
    progress: bool = True


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """What converting did."""

    source: str
    """What the source is, in words."""
    format: Target
    sequences: int
    frames: int
    written: int
    """Parts, or sequences of a tree."""
    reused: int
    fields: tuple[str, ...]
    """Fields or modalities of the result."""
    left_out: tuple[str, ...]
    """Fields of the source that a tree was not given."""
    one_bit: bool
    """Whether a tree got silhouettes of 0 and 255 from bits."""
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """0, or 1 where something was left out because it cannot be used."""
        lost = any(finding.severity is Severity.ERROR for finding in self.findings)
        return SOME_FAILED if lost else 0


def convert(source: str, out: Path, settings: ConvertSettings | None = None) -> ConvertReport:
    """Convert a packed dataset or a tree of OpenGait, resuming what is there.

    Parameters
    ----------
    source
        Folder or URL of a packed dataset of any version, or folder of a tree.
    out
        New folder, or one that the same conversion began.

    Raises
    ------
    UsageError
        Where there is nothing to convert, settings do not fit, or ``out`` is in the way.
    ShardError, InvalidData
        Where the source is damaged, of a newer version, or nothing of it can be used.
    """
    settings = settings or ConvertSettings()
    start = time.perf_counter()
    _check_places(source, out)
    packed = _is_packed(source)
    _check_settings(settings, packed=packed)
    if packed and settings.format == "opengait":
        return _exported(source, out, settings, start)
    if packed:
        version = legacy_version(source)
        info, written = convert_shards(
            source, out, _container(settings), workers=settings.jobs, progress=settings.progress
        )
        words = f"shards of schema version {version or info.schema}"
        return _report(words, info, written, (), settings, start)
    info, written, findings = convert_tree(
        Path(source),
        out,
        _container(settings),
        manifest=settings.manifest,
        partition=settings.partition,
        silhouettes=settings.silhouettes,
        workers=settings.jobs,
        progress=settings.progress,
    )
    return _report("tree of OpenGait", info, written, tuple(findings), settings, start)


def _container(settings: ConvertSettings) -> Literal["zarr", "hdf5"]:
    if settings.format == "opengait":
        raise UsageError("the source is a tree of OpenGait already", hint="choose --format zarr or --format hdf5")
    return settings.format


def _is_packed(source: str) -> bool:
    if "://" in source:
        return True
    if not Path(source).is_dir():
        raise UsageError("there is no such folder", where=source, hint="give a packed dataset or a tree of OpenGait")
    # Parts without the dataset's file are a damaged dataset, and no tree.
    return any(path.name == DATASET or is_part_name(path.name) for path in Path(source).iterdir())


def _check_places(source: str, out: Path) -> None:
    if "://" in source:
        return
    here, there = Path(source).resolve(), out.resolve()
    if here == there or here in there.parents or there in here.parents:
        what = f"source and destination must be two places, not {here} and {there}"
        raise UsageError(what, hint="choose a destination beside the source")


def _check_settings(settings: ConvertSettings, *, packed: bool) -> None:
    """Refuse settings that would have no effect."""
    if settings.fields and settings.format != "opengait":
        raise UsageError("--fields is for --format opengait: shards keep all fields", hint="leave it out")
    from_tree = settings.manifest or settings.partition or settings.silhouettes
    if packed and from_tree:
        what = "--manifest, --partition and --silhouettes are for trees of OpenGait, and this is a packed dataset"
        raise UsageError(what, hint="leave them out: the dataset says it all")


def _exported(source: str, out: Path, settings: ConvertSettings, start: float) -> ConvertReport:
    done = export_tree(
        source, out, settings.fields, usage=settings.usage, workers=settings.jobs, progress=settings.progress
    )
    return ConvertReport(
        source="shards",
        format="opengait",
        sequences=done.sequences,
        frames=done.frames,
        written=done.written,
        reused=done.sequences - done.written,
        fields=done.fields,
        left_out=done.left_out,
        one_bit=done.one_bit,
        findings=done.findings,
        seconds=time.perf_counter() - start,
    )


def _report(
    words: str,
    info: DatasetInfo,
    written: Written,
    findings: tuple[Finding, ...],
    settings: ConvertSettings,
    start: float,
) -> ConvertReport:
    return ConvertReport(
        source=words,
        format=settings.format,
        sequences=sum(part.sequences for part in info.parts),
        frames=sum(part.frames for part in info.parts),
        written=written.written,
        reused=written.reused,
        fields=tuple(info.fields),
        left_out=(),
        one_bit=False,
        findings=findings,
        seconds=time.perf_counter() - start,
    )
