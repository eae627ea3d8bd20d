"""Virtual markers: reconstruction error by number of markers on walks of people not learned from, and time to learn."""

import time
from collections.abc import Mapping
from typing import Any

from common import Figures, main

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import load_markers
from meshgait_data.body.markers import MarkerSettings
from meshgait_data.pipeline.markers import learn

COUNTS = (16, 32, 64, 96)


def measure(quick: bool) -> Figures:
    """Learn sets of four sizes with the settings that made those that ship; where time is short, read these."""
    body = load_body("free")
    figures: Figures = {}
    tables: dict[int, Mapping[str, Any]] = {}
    for count in COUNTS:
        begin = time.process_time()
        found = load_markers(body, f"free-{count}") if quick else learn(body, MarkerSettings(count=count), name="bench")
        if count == 64 and not quick:
            figures["learn_s"] = time.process_time() - begin
        tables[count] = found.provenance["errors_mm"]
    if quick:
        begin = time.process_time()
        learn(body, MarkerSettings(count=64, rounds=0), name="bench", meshes=40)
        figures["learn_s"] = time.process_time() - begin
    for version in ("convex", "signed"):
        for count in COUNTS:
            figures[f"{version}_mm_{count}"] = tables[count]["walks"][version]["mean"]
        figures[f"{version}_area_mm_64"] = tables[64]["walks"][version]["area_mean"]
        figures[f"{version}_noise10_mm_64"] = tables[64]["walks"][f"{version}_noise10"]["mean"]
        figures[f"wide_{version}_mm_64"] = tables[64]["wide"][version]["mean"]
    return figures


if __name__ == "__main__":
    main("markers", measure, "Virtual markers: mean vertex error on people not learned from, CPU seconds to learn")
