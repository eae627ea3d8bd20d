"""Plain data that knows where in its file each of its values stands, so that errors can say line and column."""

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Mark:
    """Place of a value or key in a file, and how it is written there."""

    line: int
    """From 1, like column."""
    column: int
    text: str = ""
    """The value as written, where it is a single one: ``010`` is the number 8."""


class MarkedDict(dict[Any, Any]):
    """Keys and values with their places."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.keys_at: dict[Any, Mark] = {}
        self.values_at: dict[Any, Mark] = {}
        self.twice: list[tuple[Any, Mark]] = []
        """Keys that stand there once more, and where; the first one counts."""


class MarkedList(list[Any]):
    """Values with their places."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.values_at: list[Mark] = []


Step: TypeAlias = str | int
"""A key, or a place in a list."""


def mark_at(data: object, steps: tuple[Step, ...], *, of_key: bool = False) -> Mark | None:
    """Where the value below keys and list places stands, or the key itself; None where that is not known."""
    mark: Mark | None = getattr(data, "mark", None)
    for index, step in enumerate(steps):
        if not isinstance(data, MarkedDict | MarkedList):
            return mark
        last = index == len(steps) - 1
        try:
            marks: Any = data.keys_at if of_key and last and isinstance(data, MarkedDict) else data.values_at
            mark, data = marks[step], data[step]  # type: ignore[index]  # a wrong kind of step is caught
        except (KeyError, IndexError, TypeError):
            return mark
    return mark
