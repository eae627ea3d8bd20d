"""The text of a proposed manifest: what was found, what the user said, and what there is to say about each line."""

import copy
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from meshgait_data.describe.commented import commented_yaml
from meshgait_data.describe.propose import Proposal
from meshgait_data.errors import InvalidData
from meshgait_data.index import scan
from meshgait_data.index.rows import IndexRow
from meshgait_data.manifest import SCHEMA, Manifest, manifest_of
from meshgait_data.manifest_schema import SCHEMA_FILE
from meshgait_data.yaml_files import parse_yaml

GUESSED_FPS = 25.0
"""Frames per second that most gait datasets have."""
_GUESSED_MOCAP = 120.0
"""Frames per second of most motion capture, for files that do not say."""

_HEAD = """\
# yaml-language-server: $schema={schema}
# Proposed by 'mgdata manifest new', which looked at names and at some files. Read every line: what a folder cannot tell
# is guessed. docs/manifests.md explains the language; 'mgdata manifest check THIS --root {root}' compares again.
"""
_COMMENTS = {
    "name": "first word of every key; short, without spaces",
    "licence": "what may be given on; cards of packed data repeat it",
    "layout.pattern": "where a sequence lies below the root; {names} are parts",
    "layout.subject": "regular expressions: what does not fit is reported as left over",
    "layout.captures": "each view is a walk of its own; 'together': views of a subject and condition are synchronous",
    "layout.links": "files are links that lead out of the folder",
    "source.fps": "frames per second",
    "source.min_seconds": "shorter walks are not used",
    "cameras": "virtual cameras for rendering; real ones need source: cameras",
    "source.cameras": "masks are crops: each frame gets a camera of its own in the fit",
    "split": "by identity; who is tested on is never trained on",
    "split.partition": "a file in OpenGait's form that lies in the folder",
    "protocol": "how recognition is scored; docs/protocols.md",
    "source.silhouettes.fit": "not in the pixels of the other kinds: packed, but not fitted to",
}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a folder cannot tell."""

    name: str = "my_dataset"
    title: str = ""
    homepage: str = ""
    citation: str = ""
    licence: str = ""
    summary: str = ""
    request: str = ""
    may_share: bool = False
    fps: float = 0.0
    """0: what the files say, or a guess."""
    synchronous: bool = False
    """Whether all views of a subject and condition show the same moments."""


def template(proposal: Proposal, answers: Answers) -> str:
    """YAML of a manifest that indexes the folder as it is.

    Parameters
    ----------
    proposal
        What was found.
    answers
        What the user said.

    Raises
    ------
    InvalidData
        Where nothing in the folder matches the proposal after all.
    """
    plain = _plain(proposal, answers)
    rows = _rows(manifest_of(copy.deepcopy(plain), "proposal"), proposal)
    plain["split"] = _split(proposal, rows)
    plain["protocol"] = _protocol(proposal, rows)
    schema = files("meshgait_data.manifests") / SCHEMA_FILE
    text = _HEAD.format(root=proposal.root, schema=schema) + commented_yaml(plain, _comments(proposal, answers))
    text += "".join(f"# Not described: {told}.\n" for told in proposal.left)
    # What is printed is what was tried.
    manifest_of(parse_yaml(text, "proposal"), "proposal")
    return text


def guessed_fps(proposal: Proposal) -> float:
    """Frames per second as the files say, or as such files mostly have."""
    return proposal.fps or (GUESSED_FPS if proposal.by_camera else _GUESSED_MOCAP)


def _plain(proposal: Proposal, answers: Answers) -> dict[str, Any]:
    layouts = [dict(layout) for layout in proposal.layouts]
    if answers.synchronous:
        layouts = [{**layout, "captures": "together"} if "captures" in layout else layout for layout in layouts]
    fps = answers.fps or guessed_fps(proposal)
    source = {"fps": int(fps) if fps == int(fps) else fps}
    if proposal.by_camera:
        source["min_seconds"] = 0
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "name": answers.name,
        "title": answers.title or answers.name,
        "homepage": answers.homepage,
        "citation": answers.citation,
        "licence": {
            "name": answers.licence or "not said",
            "summary": answers.summary or "Not said: ask before you give anything on.",
            "request": answers.request,
            "may_share_labels": answers.may_share,
        },
        "layout": layouts[0],
    }
    if len(layouts) > 1:
        plain["further_layouts"] = layouts[1:]
    plain["source"] = source | proposal.source
    plain["cameras"] = proposal.rig
    plain["split"] = {"partition": {"path": proposal.partition}} if proposal.partition else {}
    return plain


def _rows(manifest: Manifest, proposal: Proposal) -> Sequence[IndexRow]:
    index, findings = scan(manifest, proposal.root, quick=True)
    if not index.rows:
        first = findings[0] if findings else None
        what = f"the proposal for {proposal.root} matches nothing" + (f": {first.message}" if first else "")
        raise InvalidData(what, hint="describe the folder by hand, see docs/manifests.md")
    return index.rows


def _split(proposal: Proposal, rows: Iterable[IndexRow]) -> dict[str, Any]:
    if proposal.partition:
        return {"partition": {"path": proposal.partition}}
    sides: dict[str, set[str]] = {"train": set(), "test": set()}
    for row in rows:
        side = _side(row.path)
        if side != "unused":
            sides[side].add(row.subject)
    train, test = sorted(sides["train"]), sorted(sides["test"] - sides["train"])
    if not train:
        half = (len(test) + 1) // 2 if len(test) > 1 else 0
        train, test = test[:half], test[half:]
    return {"train": ranges(train), "test": ranges(test)}


def _side(path: str) -> str:
    """Side that a path names, where it does: folders called ``train``, ``gallery``, ``distractors``."""
    if re.search("(?i)distract", path):
        return "unused"
    return "train" if re.search("(?i)train", path) else "test"


def ranges(ids: Sequence[str]) -> list[str]:
    """Sorted ids with those that follow each other written as ranges.

    >>> ranges(["001", "002", "003", "007", "anna"])
    ['001..003', '007', 'anna']
    """
    runs: list[list[str]] = []
    for name in ids:
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    return [text for run in runs for text in ([f"{run[0]}..{run[-1]}"] if len(run) > 2 else run)]


def _follows(one: str, other: str) -> bool:
    pieces = [re.fullmatch(r"(\D*)(\d+)(\D*)", name) for name in (one, other)]
    if not pieces[0] or not pieces[1] or len(one) != len(other):
        return False
    (head, number, tail), (other_head, other_number, other_tail) = (piece.groups() for piece in pieces if piece)
    return (head, tail) == (other_head, other_tail) and int(other_number) == int(number) + 1


def _protocol(proposal: Proposal, rows: Sequence[IndexRow]) -> dict[str, Any]:
    """The first condition that most people have is enrolled, or everybody's first sequence; the rest are probes."""
    if proposal.partition_probes:
        return {"kind": "retrieval", "gallery": "rest", "probe": {"listed": "PROBE_SET"}, "ranks": [1, 5, 10]}
    people: dict[str, set[str]] = {}
    for row in rows:
        people.setdefault(row.condition, set()).add(row.subject)
    everybody = len({row.subject for row in rows})
    shared = sorted(name for name, have in people.items() if len(have) > everybody / 2)
    if len(shared) < 2:
        return {"kind": "retrieval", "gallery": {"nth": 1}, "probe": "rest", "ranks": [1, 5]}
    views = Counter(view for _, view in {(row.subject, row.view) for row in rows})
    several = sum(count > everybody / 2 for count in views.values()) > 1
    kind = "view_pairs" if several else "retrieval"
    return {"kind": kind, "gallery": {"conditions": [shared[0]]}, "probe": "rest", "ranks": [1, 5]}


def _comments(proposal: Proposal, answers: Answers) -> dict[str, str]:
    comments = dict(_COMMENTS)
    comments |= {f"source.{kind}": about for kind, about in proposal.about.items()}
    if not answers.fps and not proposal.fps:
        comments["source.fps"] += ": a guess"
    if proposal.partition:
        del comments["split"]
    if "keypoints2d" in proposal.source and "size" in proposal.source["keypoints2d"]:
        comments["source.keypoints2d.size"] = "taken from the masks"
    return comments
