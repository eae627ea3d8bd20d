"""Read the instructions of a pickle into inert records: nothing that the file names is ever imported or called.

Python's own unpickler calls what a pickle names, and can be made to reserve memory without end by a few bytes. This
machine knows the instructions of protocols 0 to 5 (``pickletools`` documents them) and builds only numbers, texts,
bytes, lists, tuples, dictionaries and :class:`Made` records. Every length is compared with what is left of the file
before anything is reserved, and nothing of the file is hashed except texts and small numbers.
"""

import codecs
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_STEPS = 2_000_000
"""Instructions that are followed; a body model has some thousands."""
_MOST_NUMBERED = 1 << 31
"""Numbers below are their own hash, so that they can be keys."""
REBUILD = "rebuild"
"""Kind of ``copyreg._reconstructor``: protocols 0 and 1 make an object of a class through it, without calling it."""


@dataclass(frozen=True, slots=True)
class Name:
    """A global name of the file, already judged to be harmless."""

    kind: str
    """What an object of that name is, e.g. ``array``."""


@dataclass(slots=True, eq=False)
class Made:
    """What the file wants to be made by calling a name, with the state that it gives to it."""

    kind: str
    args: tuple[Any, ...]
    state: Any = None


Built = Callable[["Made", Callable[[int], bytes]], None]
"""What is called with a record that was just given its state, and with what takes the next bytes of the file."""


def run(source: bytes, judge: Callable[[str, str], Name], built: Built | None = None) -> Any:
    """Follow a pickle to its end.

    Parameters
    ----------
    source
        The pickle.
    judge
        Takes module and name of a global; gives the :class:`Name` that stands for it or raises.
    built
        Sees each record when its state is complete: joblib writes an array's bytes behind it, between instructions.

    Returns
    -------
    What the pickle describes, of plain Python values and :class:`Made`.

    Raises
    ------
    ValueError
        Where the pickle is damaged, too long, or uses what body models do not need (persistent ids, extension codes,
        out-of-band buffers). Errors of ``judge`` pass through.
    """
    return _Machine(source, judge, built).run()


class _Machine:
    def __init__(self, source: bytes, judge: Callable[[str, str], Name], built: Built | None) -> None:
        self.source, self.judge, self.built = source, judge, built
        self.place, self.end = 0, len(source)
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for _ in range(MOST_STEPS):
            code = self.take(1)
            if code == b".":
                return self.pop()
            step = _STEPS.get(code)
            if step is None:
                raise ValueError(f"instruction {code!r} at byte {self.place - 1} is unknown or has no place here")
            step(self)
        raise ValueError(f"it has more than {MOST_STEPS} instructions")

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if not 0 <= count <= self.end - self.place:
            raise ValueError(f"it ends early: {count} bytes are announced at byte {self.place} of {self.end}")
        self.place += count
        return self.source[self.place - count : self.place]

    def line(self) -> bytes:
        """The next bytes up to the end of the line."""
        end = self.source.find(b"\n", self.place)
        if end < 0:
            raise ValueError("it ends within a line")
        found = self.take(end - self.place)
        self.place += 1
        return found

    def number(self, form: str) -> Any:
        """The next bytes as a number of ``struct``'s form."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("it takes more values than it gave")
        return self.stack.pop()

    def top(self, kind: type[Any]) -> Any:
        """The last value, which must be of a kind."""
        value = self.pop()
        if not isinstance(value, kind):
            raise ValueError(f"a {type(value).__name__} where a {kind.__name__} should be")
        self.push(value)
        return value

    def popped(self, kind: type[Any]) -> Any:
        self.top(kind)
        return self.pop()

    def since_mark(self) -> list[Any]:
        """All values since the last mark."""
        if not self.marks:
            raise ValueError("a mark is missing")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def keep(self, slot: int) -> None:
        """Remember the last value."""
        if not 0 <= slot < MOST_STEPS:
            raise ValueError(f"value {slot} is to be kept, but there are not so many")
        value = self.pop()
        self.push(value)
        self.memo[slot] = value

    def recall(self, slot: int) -> None:
        if slot not in self.memo:
            raise ValueError(f"value {slot} is asked for before it was given")
        self.push(self.memo[slot])

    def named(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name that is no text")
        self.push(self.judge(module, name))

    def made(self, name: Any, args: Any) -> None:
        """Record a call."""
        if not isinstance(name, Name) or not isinstance(args, tuple):
            raise ValueError("a call of something that has no name")
        if name.kind == REBUILD:
            if not args or not isinstance(args[0], Name):
                raise ValueError("an object of no class")
            name, args = args[0], ()
        self.push(Made(name.kind, args))

    def make(self) -> None:
        args = self.pop()
        self.made(self.pop(), args)

    def make_with_keywords(self) -> None:
        self.popped(dict)
        self.make()

    def make_object(self) -> None:
        values = self.since_mark()
        self.made(values[0] if values else None, tuple(values[1:]))

    def make_instance(self) -> None:
        self.named(self.line().decode(), self.line().decode())
        name = self.pop()
        self.made(name, tuple(self.since_mark()))

    def build(self) -> None:
        """Give a state to an object; it is only kept."""
        state = self.pop()
        made = self.top(Made)
        made.state = state
        if self.built is not None:
            self.built(made, self.take)

    def collect(self) -> None:
        """Append to a list, or to what stands for a set."""
        values = self.since_mark()
        self.top(list).extend(values)

    def append(self) -> None:
        value = self.pop()
        self.top(list).append(value)

    def tuple_of(self, count: int) -> None:
        self.push(tuple([self.pop() for _ in range(count)][::-1]))

    def set_item(self) -> None:
        value = self.pop()
        key = self.pop()
        _enter(self.top(dict), [key, value])

    def set_items(self) -> None:
        values = self.since_mark()
        _enter(self.top(dict), values)

    def dictionary(self) -> None:
        found: dict[Any, Any] = {}
        _enter(found, self.since_mark())
        self.push(found)


def _enter(target: dict[Any, Any], values: list[Any]) -> None:
    """Keys and values in turn. Keys that are neither text nor a small number are no use here, and are never hashed."""
    if len(values) % 2:
        raise ValueError("a key without a value")
    target.update((key, value) for key, value in zip(values[::2], values[1::2], strict=True) if _is_key(key))


def _is_key(key: Any) -> bool:
    return isinstance(key, str) or (type(key) is int and 0 <= key < _MOST_NUMBERED)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _quoted(data: bytes) -> str:
    """A Python 2 text as it stands in source code."""
    if len(data) < 2 or data[:1] != data[-1:] or data[:1] not in b"'\"":
        raise ValueError("a text without quotes")
    return str(codecs.escape_decode(data[1:-1])[0], "latin1")


def _decimal(data: bytes) -> int | bool:
    # Protocols 0 and 1 write truth values as numbers with a leading zero.
    return data == b"01" if data in (b"00", b"01") else int(data.rstrip(b"L"))


def _reading(form: str, convert: Callable[[bytes], Any]) -> Callable[[_Machine], None]:
    """A value with its length before it."""
    return lambda m: m.push(convert(m.take(m.number(form))))


def _line(convert: Callable[[bytes], Any]) -> Callable[[_Machine], None]:
    return lambda m: m.push(convert(m.line()))


def _number(form: str) -> Callable[[_Machine], None]:
    return lambda m: m.push(m.number(form))


def _latin(data: bytes) -> str:
    return data.decode("latin1")


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


_STEPS: dict[bytes, Callable[[_Machine], Any]] = {
    b"\x80": lambda m: m.take(1),  # protocol
    b"\x95": lambda m: m.take(8),  # frame: its length, which the instructions inside do not need
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"I": _line(_decimal),
    b"L": _line(_decimal),
    b"F": _line(float),
    b"J": _number("<i"),
    b"K": _number("<B"),
    b"M": _number("<H"),
    b"G": _number(">d"),
    b"\x8a": _reading("<B", _signed),
    b"\x8b": _reading("<i", _signed),
    b"S": _line(_quoted),
    b"T": _reading("<i", _latin),
    b"U": _reading("<B", _latin),
    b"V": _line(lambda data: data.decode("raw-unicode-escape")),
    b"X": _reading("<I", _text),
    b"\x8c": _reading("<B", _text),
    b"\x8d": _reading("<Q", _text),
    b"B": _reading("<I", bytes),
    b"C": _reading("<B", bytes),
    b"\x8e": _reading("<Q", bytes),
    b"\x96": _reading("<Q", bytes),
    b"(": _Machine.mark,
    b"0": lambda m: m.since_mark() if m.marks and len(m.stack) == m.marks[-1] else m.pop(),
    b"1": _Machine.since_mark,
    b"2": lambda m: m.stack.extend([m.pop()] * 2),
    b"]": lambda m: m.push([]),
    b"\x8f": lambda m: m.push([]),  # a set: nothing here needs it to be one
    b"l": lambda m: m.push(m.since_mark()),
    b"\x91": lambda m: m.push(m.since_mark()),
    b")": lambda m: m.push(()),
    b"t": lambda m: m.push(tuple(m.since_mark())),
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"}": lambda m: m.push({}),
    b"d": _Machine.dictionary,
    b"a": _Machine.append,
    b"e": _Machine.collect,
    b"\x90": _Machine.collect,
    b"s": _Machine.set_item,
    b"u": _Machine.set_items,
    b"p": lambda m: m.keep(int(m.line())),
    b"q": lambda m: m.keep(m.number("<B")),
    b"r": lambda m: m.keep(m.number("<I")),
    b"\x94": lambda m: m.keep(len(m.memo)),
    b"g": lambda m: m.recall(int(m.line())),
    b"h": lambda m: m.recall(m.number("<B")),
    b"j": lambda m: m.recall(m.number("<I")),
    b"c": lambda m: m.named(m.line().decode(), m.line().decode()),
    b"\x93": lambda m: m.named(*[m.pop(), m.pop()][::-1]),
    b"R": _Machine.make,
    b"\x81": _Machine.make,
    b"\x92": _Machine.make_with_keywords,
    b"o": _Machine.make_object,
    b"i": _Machine.make_instance,
    b"b": _Machine.build,
}
"""Instructions by their byte. Left out: persistent ids, extension codes, buffers outside the file."""
