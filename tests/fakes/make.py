"""Write a fake dataset: ``python tests/fakes/make.py casia_b OUT``; without arguments, list them."""

import importlib
import sys
from pathlib import Path

FAKES = {
    "casia_b": ("casia_b", "make"),
    "casia_b_opengait": ("casia_b", "make_opengait"),
    "oumvlp": ("oumvlp", "make"),
    "oumvlp_rearranged": ("oumvlp", "make_rearranged"),
    "oumvlp_opengait": ("oumvlp", "make_opengait"),
    "oumvlp_mesh": ("oumvlp_mesh", "make"),
    "oumvlp_pose": ("oumvlp_pose", "make"),
    "opengait": ("opengait_tree", "make"),
    "gait3d": ("gait3d", "make"),
    "gait3d_pkl": ("gait3d", "make_pickles"),
    "grew": ("grew", "make"),
    "grew_opengait": ("grew", "make_pickles"),
    "ccpg": ("ccpg", "make"),
    "ccpg_raw": ("ccpg", "make_raw"),
    "sustech1k": ("sustech1k", "make"),
    "sustech1k_raw": ("sustech1k_raw", "make"),
    "amass": ("amass", "make"),
    "bvh_lab": ("bvh_lab", "make"),
    "c3d_lab": ("c3d_lab", "make"),
    "own_png": ("own_videos", "make"),
    "own_openpose": ("own_keypoints", "make_openpose"),
    "own_coco": ("own_keypoints", "make_coco"),
}
"""Name to the module of this package and the function that writes it."""


def main(arguments: list[str]) -> int:
    """Write the fake of the first argument into the folder of the second."""
    if len(arguments) != 2 or arguments[0] not in FAKES:
        print(f"{__doc__}\n\n{', '.join(FAKES)}", file=sys.stderr)
        return 2
    module, function = FAKES[arguments[0]]
    fake = getattr(importlib.import_module(f"fakes.{module}"), function)(Path(arguments[1]))
    print(f"{fake.root}: to be indexed with the manifest {fake.manifest}; {len(fake.planted)} defects planted:")
    for defect in fake.planted:
        print(f"  {defect.finding:18s} {defect.where}: {defect.kind}")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main(sys.argv[1:]))
