"""What owners say of a dataset: the ``licence:`` of a manifest, and under ``expected:`` what the complete one holds."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Licence:
    """What users may do with the data and with what is derived from it."""

    name: str
    """Name of the licence or agreement."""
    summary: str
    """One sentence that cards and reports repeat."""
    acknowledgement: str = ""
    """Text that the owners ask publications to carry."""
    may_share_labels: bool = False
    """Whether packed labels may be given on."""
    may_share_silhouettes: bool | None = None
    """Whether silhouettes may be given on; by default as labels."""
    may_share_images: bool = False
    """Whether pictures of people may be given on."""
    request: str = ""
    """Whom one asks for the data, and how."""

    @property
    def shares_silhouettes(self) -> bool:
        """Whether silhouettes may be given on."""
        return self.may_share_labels if self.may_share_silhouettes is None else self.may_share_silhouettes


@dataclass(frozen=True, slots=True)
class Expected:
    """What the complete dataset holds, as its owners say; the index tells what is missing and what is too much."""

    source: str = ""
    """Where these figures stand."""
    subjects: int | None = None
    """Subject names."""
    captures: int | None = None
    """Walks."""
    sequences: int | None = None
    """Views of walks."""
    missing_ok: int = 0
    """Sequences that may be missing from this number without more than a note."""
    conditions: tuple[str, ...] = ()
    """Conditions that every subject has."""
    views: tuple[str, ...] = ()
    """Views that every walk has."""
    frames: tuple[int, int] | None = None
    """Least and largest number of frames of a sequence."""
    absent: tuple[str, ...] = ()
    """Sequences ``subject/condition/view``, with ``*`` and ``?``, that the release is known to lack."""
    findings: dict[str, int] = field(default_factory=dict)
    """Finding to how often the release gives it: a known defect, which only more of it makes news."""

    def __post_init__(self) -> None:
        low, high = self.frames or (0, 0)
        if not 0 <= low <= high:
            raise ValueError(f"frames from {low} to {high} is not a range")
        for name in ("subjects", "captures", "sequences", "missing_ok"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must not be negative")
