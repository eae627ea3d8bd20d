"""Put together what a run needs of a setting and some shards: the device, the batches, the network, the body."""

from collections.abc import Sequence

import torch

from meshgait_data.body.files import load_body, shipped_bodies
from meshgait_data.body.model import Body
from meshgait_data.errors import EnvironmentLacks, InvalidData
from meshgait_data.shards.reader import Shards
from meshgait_data.types import FloatArray
from meshgait_model.checkpoint import Checkpoint, fill_network
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.sampler import PKSampler
from meshgait_model.nn.blocks import channels_last
from meshgait_model.nn.meshgait import MeshGait


def make_sampler(config: ExperimentConfig, data: ClipDataset, rank: int = 0, world: int = 1) -> PKSampler:
    """The batches of a setting, or the clips of them that one of several processes has."""
    return PKSampler(
        data.identities,
        data.lengths,
        people=config.data.people,
        clips=config.data.clips,
        clip=config.data.clip,
        seed=config.seed,
        rank=rank,
        world=world,
    )


def make_network(config: ExperimentConfig, shards: Shards, classes: int) -> MeshGait:
    """The network of a setting, for the markers and silhouettes of some shards."""
    coefficients = shards.markers.signed if config.network.branch_3d else None
    return network_for(config, classes, shards.aligned_size, coefficients, shards.info.joint_set.names)


def network_for(
    config: ExperimentConfig, classes: int, side: int, coefficients: FloatArray | None, joints: Sequence[str]
) -> MeshGait:
    """The network of a setting.

    Parameters
    ----------
    classes
        People to train on.
    side
        Of the silhouettes in pixels, before their columns are cut.
    coefficients
        (V, K) from markers to the mesh; None without the 3D branch.
    joints
        Names of the joints.
    """
    network = MeshGait(
        config.network,
        classes=classes,
        window=(side, side - 2 * config.data.cut),
        coefficients=coefficients,
        joints=joints,
    )
    return channels_last(network)


def load_network(state: Checkpoint, shards: Shards) -> MeshGait:
    """The network of a checkpoint, for the markers and silhouettes of some shards; as in training, on the CPU.

    Raises
    ------
    InvalidData
        Where the shards have another joint set or number of markers than the network, or its weights do not fit.
    """
    learned = f"joint set {state.joint_set} and {state.markers} markers"
    packed = f"joint set {shards.joint_set.name} and {shards.num_markers} markers"
    if state.config.network.branch_3d and learned != packed:
        raise InvalidData(
            f"the network was trained on {learned}, these shards have {packed}",
            where=shards.url,
            hint="use shards that were packed with the same joint set and marker set",
        )
    network = make_network(state.config, shards, len(state.people))
    fill_network(network, state)
    return network


def matching_body(sha256: str) -> Body:
    """The body that labels were made with: the user's, else one that ships; raises InvalidData where it is another."""
    for name in (None, *shipped_bodies()):
        body = load_body(name)
        if body.sha256 == sha256:
            return body
    raise InvalidData(
        f"the shards were made with another body than {load_body().name!r} or those that ship",
        hint="point MESHGAIT_BODY at the body that they were packed with, or set loss.mesh=0 and eval.mesh_every=0",
    )


def pick_device(name: str) -> torch.device:
    """The device of ``run.device``; raises EnvironmentLacks where it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise EnvironmentLacks(f"run.device={name}, but torch sees no GPU", hint="set run.device=auto")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise EnvironmentLacks(f"run.device={name} is no device", hint="choose auto, cpu or cuda") from error
