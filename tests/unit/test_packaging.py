"""What is installed is what is in the tree, and asking for help is cheap."""

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from meshgait_cli.console import CONTEXT

ROOT = Path(__file__).resolve().parents[2]
INSTALLED_AS = {"cli": "meshgait_cli", "manifests": "meshgait_data.manifests"}


def commands(group, path=()):
    """Every command below a group, with the words that call it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def all_commands():
    programs = entry_points(group="console_scripts")
    for name in ("mgdata", "mgtrain"):
        yield from commands(programs[name].load(), (name,))


def test_the_package_list_is_the_tree():
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = set()
    for top in ("meshgait_data", "meshgait_model", "cli", "manifests"):
        for init in (ROOT / top).rglob("__init__.py"):
            dotted = ".".join(init.parent.relative_to(ROOT).parts)
            head = dotted.split(".")[0]
            found.add(dotted.replace(head, INSTALLED_AS.get(head, head), 1))
    assert found == listed


@pytest.mark.parametrize(("words", "command"), [pytest.param(*c, id=" ".join(c[0])) for c in all_commands()])
def test_every_command_has_help_with_an_example(words, command):
    # Commands keep the help option that they were first asked for.
    text = command.get_help(click.Context(command, info_name=" ".join(words), **CONTEXT))
    assert "-h, --help" in text
    if not isinstance(command, click.Group):
        assert "Examples:\n" in text.replace("\n\n", "\n"), "help lacks an example that can be pasted"


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from importlib.metadata import entry_points\n"
        "from click.testing import CliRunner\n"
        "for p in ('mgdata', 'mgtrain'):\n"
        "    r = CliRunner().invoke(entry_points(group='console_scripts')[p].load(), ['--help'])\n"
        "    assert r.exit_code == 0, r.output\n"
        "heavy = {'torch', 'zarr', 'h5py', 'scipy', 'matplotlib', 'numba', 'cv2', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert 'cli' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_unknown_command_gets_a_suggestion(mgdata):
    result = mgdata("fit-smlp")
    assert result.exit_code == 2
    assert "Did you mean 'fit-smpl'?" in result.stderr
