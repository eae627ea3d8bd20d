"""Evaluation while a network is trained: by a protocol, every so many steps, without any influence on the training."""

from meshgait_data.errors import UsageError
from meshgait_data.shards.reader import Shards
from meshgait_model.config.experiment import ExperimentConfig
from meshgait_model.distributed import Processes
from meshgait_model.evaluate import TestSide
from meshgait_model.nn.meshgait import MeshGait
from meshgait_model.protocols.choice import choose
from meshgait_model.protocols.figures import headline
from meshgait_model.protocols.scoring import score
from meshgait_model.run_log import MILLIMETRES


class Validation:
    """Scores a network on the test side as ``eval.protocol`` says.

    Parameters
    ----------
    config
        The setting.
    shards
        The packed dataset.
    processes
        Those that share the sequences out among themselves.

    Raises
    ------
    UsageError
        Where there is no such protocol, or ``eval.best`` is none of its figures.
    InvalidData
        Where the shards lack what the protocol names.
    """

    def __init__(self, config: ExperimentConfig, shards: Shards, processes: Processes) -> None:
        chosen = choose(shards.protocols, config.eval.protocol or None, submission=False)
        if not chosen.scored:
            raise UsageError("these shards have no protocol to score by", where=shards.url, hint="set run.eval_every=0")
        self.name, self.protocol = next(iter(chosen.scored.items()))
        self.side = TestSide(config, shards, chosen.scored, processes)
        known = [f"rank{k}" for k in self.protocol.ranks] + ["map"]
        known += [f"{part}{MILLIMETRES}" for part in ("joints", "markers", "mesh") if self.side.labels]
        if config.eval.best not in known:
            what = f"eval.best={config.eval.best} is no figure of protocol {self.name}"
            raise UsageError(what, hint=f"choose one of {', '.join(known)}")

    def __call__(self, network: MeshGait, step: int) -> dict[str, float]:
        """Figures of a network: shares 0..1 and millimetres, as in ``metrics.json``; only the first process has any."""
        found = self.side.look(network, step, lambda _: None)
        if found is None:
            return {}
        figures = headline(score(found.embedded, self.protocol, self.name))
        figures |= {f"{name}{MILLIMETRES}": value for name, value in found.label_errors.items()}
        return {name: value for name, value in figures.items() if value is not None and not name.endswith("_chance")}
