"""``mgdata manifest new``: look at a folder and propose the YAML that describes it."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meshgait_data.errors import UsageError

from ...options import FOLDER

if TYPE_CHECKING:
    from meshgait_data.describe.propose import Proposal
    from meshgait_data.describe.template import Answers


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; by default stdout.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing; what a folder cannot tell gets a placeholder or a guess.")
@click.option("--force", is_flag=True, help="Write over an existing file.")
def new(folder: Path, out: Path | None, yes: bool, force: bool) -> None:
    r"""Propose a manifest for a folder by looking at it.

    Names tell where person, condition and view stand in the paths; of each sort of files a few are opened (none can run
    code) to see what they hold. What a folder cannot tell is asked for on a terminal. The proposal indexes the folder
    as it is: read it, correct it, check it.

    \b
    Examples:
      mgdata manifest new /data/walks --out walks.yaml
      mgdata manifest new /data/walks --yes > walks.yaml
      mgdata manifest check walks.yaml --root /data/walks
    """
    from meshgait_data.atomic import write_text
    from meshgait_data.describe.propose import propose
    from meshgait_data.describe.template import Answers, template

    if out is not None and out.exists() and not force:
        raise UsageError(f"{out} exists", hint="give another name with --out, or --force to write over it")
    proposal = propose(folder)
    _print_found(proposal)
    name = _word(folder.absolute().name)
    answers = Answers(name=name) if yes or not sys.stdin.isatty() else _asked(proposal, name)
    text = template(proposal, answers)
    if out is None:
        click.echo(text, nl=False)
        return
    write_text(out, text)
    click.echo(f"wrote {out}; read it, then: mgdata manifest check {out} --root {folder}", err=True)


def _print_found(proposal: "Proposal") -> None:
    for layout in proposal.layouts:
        click.echo(f"found  {layout['pattern']}", err=True)
    for kind, about in proposal.about.items():
        click.echo(f"       {kind}: {about}", err=True)
    for told in proposal.left:
        click.echo(f"left   {told}", err=True)


def _word(text: str) -> str:
    """A folder's name as the first word of keys."""
    return re.sub(r"\W+", "_", text.lower()).strip("_") or "my_dataset"


def _asked(proposal: "Proposal", name: str) -> "Answers":
    from meshgait_data.describe.template import Answers, guessed_fps

    ask = click.prompt
    name = ask("Name, first word of every key", default=name, value_proc=_checked_word, err=True)
    captures = any("captures" in layout for layout in proposal.layouts)
    return Answers(
        name=name,
        title=ask("Title", default=name, err=True),
        homepage=ask("Homepage", default="", show_default=False, err=True),
        citation=ask("How to cite it", default="", show_default=False, err=True),
        licence=ask("Name of the licence or agreement", default="not said", err=True),
        summary=ask("What it allows, in one sentence", default="", show_default=False, err=True),
        request=ask("Whom one asks for the data", default="", show_default=False, err=True),
        may_share=click.confirm("May labels made of it be given on?", default=False, err=True),
        fps=ask("Frames per second", default=guessed_fps(proposal), type=click.FloatRange(min=0.1), err=True),
        synchronous=captures
        and click.confirm("Do all views of one walk show the same moments, frame by frame?", default=False, err=True),
    )


def _checked_word(text: str) -> str:
    if _word(text) != text:
        raise click.BadParameter("small letters, digits and _ only")
    return text
