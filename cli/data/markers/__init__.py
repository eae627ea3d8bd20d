"""``mgdata markers``: learn virtual markers for a body, say what a set is, compare sets, import published ones."""

import click

from ...console import CONTEXT, LazyGroup

COMMANDS = {
    "learn": ".data.markers.learn:learn",
    "info": ".data.markers.info:info",
    "compare": ".data.markers.compare:compare",
    "import": ".data.markers.import_:import_",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings=CONTEXT)
def markers() -> None:
    r"""Virtual markers: vertices of a body that all others follow from (Ma et al., CVPR 2023).

    \b
    Examples:
      mgdata markers info
      mgdata markers info free-64 --picture markers.png
      mgdata markers learn --body ~/models/smpl/SMPL_NEUTRAL.pkl --out smpl-64.npz
      mgdata markers compare free-32 free-64
    """
