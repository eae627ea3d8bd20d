"""Which of a dataset's protocols a command was asked for."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from meshgait_data.errors import UsageError
from meshgait_data.manifest_protocol import Protocol

ALL = "all"


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do."""

    scored: dict[str, Protocol]
    """Protocols to score by."""
    submission: tuple[str, Protocol] | None
    """Protocol whose file is to be written, and its name."""


def choose(protocols: Mapping[str, Protocol], wanted: str | None, *, submission: bool) -> Choice:
    """Find protocols by name.

    Parameters
    ----------
    protocols
        By name, the one that holds by default first.
    wanted
        A name, ``all``, or None for the default.
    submission
        Whether a file for a server is to be written.

    Raises
    ------
    UsageError
        Where there is no such protocol, or it and the file do not belong together.
    """
    scored = {name: one for name, one in protocols.items() if one.kind != "submission"}
    files = {name: one for name, one in protocols.items() if one.kind == "submission"}
    if wanted in files:
        if not submission:
            what = f"protocol {wanted!r} scores nothing: it makes a file for a server"
            raise UsageError(what, hint=f"--protocol {wanted} --submission FILE.csv")
        return Choice({}, (wanted, files[wanted]))
    if wanted not in (None, ALL, *scored):
        near = difflib.get_close_matches(str(wanted), protocols, n=1)
        more = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(protocols)}; or {ALL}"
        raise UsageError(f"no protocol {wanted!r}", hint=more)
    chosen = scored if wanted == ALL else {wanted: scored[wanted]} if wanted else dict(list(scored.items())[:1])
    if not submission:
        return Choice(chosen, None)
    if len(files) != 1:
        what = f"{len(files)} protocols make a file for a server" + (f": {', '.join(files)}" if files else "")
        hint = "say which: --protocol NAME" if files else "the manifest's protocols need one of 'kind: submission'"
        raise UsageError(what, hint=hint)
    return Choice(chosen, next(iter(files.items())))
