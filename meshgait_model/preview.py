"""What a run is going to be, without running it: the network and what it costs, the data and how large it is."""

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import load_markers
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.shards.reader import Shards
from meshgait_model.assembly import make_network, network_for, pick_device
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.data.budget import amount
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.nn.cost import cost_of
from meshgait_model.nn.meshgait import MeshGait
from meshgait_model.objective import training_fields

_SIDE = 64
"""Of the silhouettes, where there are no shards to say it."""


def preview(config: ExperimentConfig, shards: Shards | None) -> list[str]:
    """Lines about a run.

    Parameters
    ----------
    shards
        None: the markers of the shipped body are assumed, and as many people as a batch has.

    Raises
    ------
    InvalidData
        Where the network cannot be built, or the shards lack what it learns from.
    """
    data = None if shards is None else _open(config, shards)
    if shards is None or data is None:
        network, about = (
            _assumed(config),
            ["data: no shards given; assumed: the shipped body's markers, joints of SMPL"],
        )
    else:
        network, about = make_network(config, shards, len(data.people)), _about(config, data)
    device = pick_device(config.run.device)
    return [*about, f"device: {device}", *cost_of(config, network, device).text().splitlines()]


def _open(config: ExperimentConfig, shards: Shards) -> ClipDataset:
    # Nothing is decoded: this only asks what there is.
    return ClipDataset(shards, "train", fields=training_fields(config, shards), cut=config.data.cut, cache="none")


def _about(config: ExperimentConfig, data: ClipDataset) -> list[str]:
    frames = int(data.lengths.sum())
    decoded = sum(
        int(data.lengths[data.source.starts[name] >= 0].sum()) * spec.bytes for name, spec in data.source.specs.items()
    )
    batch = config.data.people * config.data.clips
    return [
        f"data: {len(data.people)} people, {len(data)} sequences, {frames} frames to train on",
        f"data: {amount(decoded)} decoded, of {', '.join(data.fields)}",
        f"data: {batch * config.run.steps} clips in {config.run.steps} steps, "
        f"{batch * config.run.steps / len(data):.1f} of each sequence",
    ]


def _assumed(config: ExperimentConfig) -> MeshGait:
    """The network on the shipped body's markers."""
    coefficients = load_markers(load_body("free")).signed if config.network.branch_3d else None
    return network_for(config, config.data.people, _SIDE, coefficients, SMPL_JOINTS)
