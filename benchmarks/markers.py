"""Virtual markers: reconstruction error by number of markers on walks of people not learned from, and time to learn."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from common import Figures, main

from meshgait_data.body.files import load_body
from meshgait_data.body.markers import MarkerSettings
from meshgait_data.index import scan, write_index
from meshgait_data.manifest import load_manifest
from meshgait_data.pipeline.fit import FitStageSettings, fit_work
from meshgait_data.pipeline.markers import learn_from_work


def fit_walks(work: Path, quick: bool) -> None:
    """Fit the shipped walks; the first of each person where time is short."""
    manifest = load_manifest("cmu_walk")
    root = manifest.default_root()
    assert root is not None
    index, findings = scan(manifest, root)
    write_index(work, index, findings)
    select = "subject=02|05|07|08|16|35,condition=01|15" if quick else ""
    fit_work(work, FitStageSettings(select=select, jobs=2, progress=False))


def measure(quick: bool) -> Figures:
    """Learn sets of several sizes with the settings that made the shipped one."""
    body = load_body("free")
    settings = MarkerSettings(rounds=0) if quick else MarkerSettings()
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        fit_walks(work, quick)
        for count in (16, 32, 64, 96):
            begin = time.process_time()
            chosen = replace(settings, count=count)
            learned = learn_from_work(work, body, chosen, name="bench", meshes=20 if quick else 150)
            seconds = time.process_time() - begin
            errors = learned.provenance["errors_mm"]
            figures[f"convex_mm_{count}"] = errors["convex"]["mean"]
            if count == 64:
                figures["signed_mm_64"] = errors["signed"]["mean"]
                figures["signed_noise10_mm_64"] = errors["signed_noise10"]["mean"]
                figures["learn_s"] = seconds
    return figures


if __name__ == "__main__":
    main("markers", measure, "Virtual markers: mean vertex error on people not learned from, CPU seconds to learn")
