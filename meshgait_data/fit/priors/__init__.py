"""What is known before anything is observed: how people stand, how they walk, how far joints turn.

Shape letters: F frames, J joints (24), C channels of a gait cycle, H harmonics, K style components.
"""

from typing import Any

from meshgait_data.fit.priors.gait import GaitPrior
from meshgait_data.fit.priors.pose import PosePrior

__all__ = ["GaitPrior", "PosePrior"]


def __getattr__(name: str) -> Any:
    # On demand: what is made by hand needs more of the fit than what was learned.
    if name == "make_prior":
        from meshgait_data.fit.priors.by_hand import make_prior

        return make_prior
    raise AttributeError(name)
