"""Nearest neighbour of gait energy images: the baseline that learns nothing.

The mean silhouette of a walk (Han, Bhanu, *Individual recognition using gait energy image*, PAMI 2006), compared by
Euclidean distance with those of the gallery.
"""

import sys
from pathlib import Path

import numpy as np

from meshgait_data.shards.reader import open_shards
from meshgait_model.protocols.figures import plain_scores
from meshgait_model.protocols.scoring import Embedded, score

CUT = 10
"""Columns left out on each side, as for networks."""


def gei_figures(shards: Path) -> dict[str, object]:
    """``metrics.json`` of the baseline, by the first protocol of the shards, on its test side."""
    packed = open_shards(shards)
    test = packed.sequences.where(side="test")
    images = [packed.read(record, "silhouettes")[..., CUT:-CUT].mean(0).ravel() / 255 for record in test]
    embedded = Embedded(
        np.stack(images)[:, None].astype(np.float32),
        tuple(record.key for record in test),
        tuple(test.identities),
        {},
    )
    return plain_scores([score(embedded, packed.protocol)])


if __name__ == "__main__":
    print(gei_figures(Path(sys.argv[1])))
