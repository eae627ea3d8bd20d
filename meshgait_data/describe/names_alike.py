"""What names of one level of a tree have in common: a regular expression, fields between separators, numbers."""

import re
from collections.abc import Iterable, Sequence

_TOKEN = re.compile(r"\d+|[A-Za-z]+|[^A-Za-z\d]")
_FIELD = re.compile(r"[-_.+]")
_SHORT = 5
"""Characters of names that are too short to be hashes."""
_SHAPES = 4
"""Most sorts of names that an expression lists one by one."""


def expression(names: Iterable[str]) -> str:
    r"""Regular expression that names fit and as little else as seems right.

    >>> expression(["nm-01", "bg-02"]), expression(["cam1_0", "cam12_3"])
    ('[A-Za-z]+-\\d{2}', 'cam\\d+_\\d+')
    >>> expression(["U0_D0", "U1_D1", "U0_D0_BG", "U1_D0_BG"])
    'U\\d+_D\\d+|U\\d+_D\\d+_BG'
    """
    names = sorted(set(names))
    shapes: dict[tuple[str, ...], list[list[str]]] = {}
    for name in names:
        tokens = _TOKEN.findall(name)
        shapes.setdefault(tuple(_sort(token) for token in tokens), []).append(tokens)
    hashes = len(shapes) > 1 and min(map(len, names)) > _SHORT and len({len(name) for name in names}) == 1
    # One name says little of others; many shapes are none.
    if len(names) < 2 or len(shapes) > _SHAPES or hashes:
        return _of_characters(names)
    texts = []
    for shape, found in shapes.items():
        columns = [[tokens[place] for tokens in found] for place in range(len(shape))]
        texts.append("".join(_of_column(sort, column) for sort, column in zip(shape, columns, strict=True)))
    return "|".join(sorted(set(texts)))


def _sort(token: str) -> str:
    if token.isdigit():
        return "number"
    return "word" if token.isalpha() else token


def _of_column(sort: str, column: Sequence[str]) -> str:
    if sort == "number":
        return _number(column)
    if len(set(column)) == 1 and (len(column) > 1 or sort != "word"):
        return _escaped(column[0])
    return "[A-Za-z]+"


def _escaped(text: str) -> str:
    return re.sub(r"([\\^$.|?*+()\[\]{}])", r"\\\1", text)


def _number(column: Sequence[str]) -> str:
    """Digits, so many where all have as many and several."""
    widths = {len(text) for text in column}
    width = max(widths)
    return rf"\d{{{width}}}" if len(widths) == 1 and width > 1 else r"\d+"


def _of_characters(names: Sequence[str]) -> str:
    """Of letters and digits where all names are, and of one length where these are hashes."""
    if not names or not all(name.isalnum() and name.isascii() for name in names):
        return "[^/]+"
    widths = {len(name) for name in names}
    return f"[0-9A-Za-z]{{{widths.pop()}}}" if len(widths) == 1 and len(names) > 1 else "[0-9A-Za-z]+"


def fields(names: Sequence[str]) -> list[tuple[str, list[str]]] | None:
    """Fields that all names have between separators: the text before each, and its values; None where they differ.

    >>> fields(["Silhouette_000-00", "Silhouette_015-01"])
    [('', ['Silhouette', 'Silhouette']), ('_', ['000', '015']), ('-', ['00', '01'])]
    """
    rows = [_FIELD.split(name) for name in names]
    separators = {tuple(_FIELD.findall(name)) for name in names}
    if len(separators) != 1 or any(not value for row in rows for value in row):
        return None
    befores = ("", *separators.pop())
    return [(before, [row[place] for row in rows]) for place, before in enumerate(befores)]


def are_angles(names: Iterable[str]) -> bool:
    """Whether names look like directions of cameras: three digits, steps of 15 or 18 degrees."""
    found = [re.match(r"\d{3}(?!\d)", name) for name in set(names)]
    if len(found) < 2 or not all(found):
        return False
    numbers = {int(match[0]) for match in found if match}
    return max(numbers) <= 360 and len(numbers) > 1 and any(all(n % step == 0 for n in numbers) for step in (15, 18))


def are_cameras(names: Iterable[str]) -> bool:
    """Whether names say that they are cameras or views."""
    return all(re.match(r"(?i)(cam|camera|view|kamera|c)[-_ ]?\d+", name) for name in names)


def in_parts(text: str, parts: Sequence[tuple[str, str]]) -> str:
    """Text in which values of parts are replaced by their names in braces, the longest and last parts first.

    >>> in_parts("sils-seq0.pkl", [("subject", "0000"), ("view", "seq0")])
    'sils-{view}.pkl'
    """
    marked: list[tuple[bool, str]] = [(False, text)]
    for name, value in sorted(reversed(parts), key=lambda part: -len(part[1])):
        marked = [piece for is_done, piece_text in marked for piece in _replaced(is_done, piece_text, name, value)]
    return "".join(piece if is_done else piece.replace("{", "{{").replace("}", "}}") for is_done, piece in marked)


def _replaced(is_done: bool, text: str, name: str, value: str) -> list[tuple[bool, str]]:
    # A value counts only between characters of another sort: 01 is no part of 2014.
    edge = r"(?<!\d)" if value[:1].isdigit() else r"(?<![A-Za-z])"
    end = r"(?!\d)" if value[-1:].isdigit() else r"(?![A-Za-z])"
    if is_done or not value:
        return [(is_done, text)]
    pieces: list[tuple[bool, str]] = []
    for number, rest in enumerate(re.split(edge + re.escape(value) + end, text)):
        pieces += [(True, f"{{{name}}}")] if number else []
        pieces += [(False, rest)] if rest else []
    return pieces
