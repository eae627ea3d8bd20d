"""The error tree: each error says what happened, where, and the way out, and knows its exit code.

Exit codes of the commands: 0 done, 1 done but some captures failed, 2 wrong usage, 3 the machine lacks
something (body model, package, space), 4 invalid data, 130 interrupted.
"""

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


class ManifestError(InvalidData):
    """A manifest or experiment YAML with an unknown key, a wrong type or a contradiction."""


class SourceError(InvalidData):
    """A source file (mocap, keypoints, masks) that is damaged or not what its name says."""


class BodyFileError(InvalidData):
    """A body model file that is damaged, unsafe or not in SMPL's schema."""


class FitError(InvalidData):
    """Observations that no body can be fitted to."""


class ShardError(InvalidData):
    """A packed dataset that is incomplete, damaged or of another schema version."""
