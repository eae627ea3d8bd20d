"""What is known before anything is observed: how people stand, how they walk, how far joints turn.

Shape letters: F frames, J joints (24), C channels of a gait cycle, H harmonics, K style components.
"""

from meshgait_data.fit.priors.gait import GaitPrior
from meshgait_data.fit.priors.pose import PosePrior

__all__ = ["GaitPrior", "PosePrior"]
