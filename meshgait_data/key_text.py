"""Names of files as words of keys, and back: what a word cannot hold is written as in addresses of the web."""

import re

_KEPT = re.compile(r"[^/\\ %]")


def quoted(text: str) -> str:
    """A name with what keys cannot hold as ``%`` and two hexadecimal digits of each byte of UTF-8.

    No two names give the same text, and :func:`unquoted` gives the name back: ``%`` itself is written so, too.

    >>> quoted("Walk B10 - 50%"), quoted("nm-01"), quoted("..")
    ('Walk%20B10%20-%2050%25', 'nm-01', '%2E%2E')
    """
    if text in (".", ".."):
        return "%2E" * len(text)
    return "".join(one if _KEPT.match(one) and one.isprintable() else _escaped(one) for one in text)


def unquoted(text: str) -> str:
    """The name that :func:`quoted` made a text of; what no quoting gives stays as it is.

    >>> unquoted("Walk%20B10%20-%2050%25")
    'Walk B10 - 50%'
    """
    name = re.sub(
        "(?:%[0-9A-F]{2})+",
        lambda match: bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogateescape"),
        text,
    )
    # Another spelling of a name, such as %41 for A, is not its key.
    return name if quoted(name) == text else text


def _escaped(one: str) -> str:
    return "".join(f"%{byte:02X}" for byte in one.encode("utf-8", "surrogateescape"))
