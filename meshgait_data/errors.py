"""The error tree: each error says what happened, where, and the way out, and knows its exit code.

Exit codes of the commands: 0 done, 1 done but some captures failed, 2 wrong usage, 3 the machine lacks
something (body model, package, space), 4 invalid data, 130 interrupted.
"""

from dataclasses import dataclass

SOME_FAILED = 1
"""Exit code of a run that ended, but in which some captures failed."""


class MeshgaitError(Exception):
    """What every foreseen failure is.

    Parameters
    ----------
    what
        One sentence: what went wrong, with the offending value.
    where
        File, line, key or frame that it went wrong at; empty where there is none.
    hint
        The way out: what to change, or the command to run.
    """

    exit_code = 4

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(what)

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not survive the way back from a worker process by themselves.
        return _rebuild, (type(self), self.what, self.where, self.hint)


def _rebuild(cls: type[MeshgaitError], what: str, where: str, hint: str) -> MeshgaitError:
    return cls(what, where=where, hint=hint)


class UsageError(MeshgaitError):
    """The command line or a setting asks for something that does not exist."""

    exit_code = 2


class EnvironmentLacks(MeshgaitError):
    """The machine lacks something: a file, a package, space."""

    exit_code = 3


class BodyNotFound(EnvironmentLacks, FileNotFoundError):
    """No body model file where one was looked for; says where that was."""


class MissingExtra(EnvironmentLacks, ImportError):
    """An optional part is not installed; the hint is the install command."""


class InvalidData(MeshgaitError, ValueError):
    """Data that is there but cannot be right."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a YAML file."""

    what: str
    path: str = ""
    """Keys down to it, e.g. ``source.silhouettes.format``; empty for the file as a whole."""
    line: int = 0
    """From 1, like column; 0: not known."""
    column: int = 0
    hint: str = ""

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}: " if self.line else ""
        text = f"{place}{self.path}: {self.what}" if self.path else f"{place}{self.what}"
        return f"{text} ({self.hint})" if self.hint else text


class ManifestError(InvalidData):
    """A manifest or experiment YAML with unknown keys, wrong types or contradictions: all that were found.

    Parameters
    ----------
    what, where, hint
        As of any error; of several problems these are a summary.
    problems
        What is wrong, one by one.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(what, where=where, hint=hint)
        self.problems = problems or (Problem(what, where, hint=hint),)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_problems, (self.what, self.where, self.hint, self.problems)


def _rebuild_problems(what: str, where: str, hint: str, problems: tuple[Problem, ...]) -> ManifestError:
    return ManifestError(what, where=where, hint=hint, problems=problems)


class SourceError(InvalidData):
    """A source file (mocap, keypoints, masks) that is damaged or not what its name says."""


class BodyFileError(InvalidData):
    """A body model file that is damaged, unsafe or not in SMPL's schema."""


class FitError(InvalidData):
    """Observations that no body can be fitted to."""


class ShardError(InvalidData):
    """A packed dataset that is incomplete, damaged or of another schema version."""
