"""Pictures of what the render stage can do with one walk of a work folder."""

from pathlib import Path

from meshgait_data.atomic import write_bytes
from meshgait_data.body.files import load_body
from meshgait_data.conventions import REJECTED
from meshgait_data.errors import InvalidData
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.pipeline.render import RenderSettings, plan
from meshgait_data.render.sequence import in_view, pose_capture
from meshgait_data.view.render_pictures import look_sheet, rig_sheet


def draw_looks(work: Path, settings: RenderSettings, path: Path) -> None:
    """Draw the first selected sequence with every degradation and channel; with a rig, what its cameras see instead.

    Writes one PNG.

    Raises
    ------
    UsageError
        Where nothing is fitted or selected.
    InvalidData
        Where the sequence has fewer than five frames wholly in view.
    """
    manifest, rows = plan(work, settings)
    row = next(row for row in rows if fit_path(work, row.capture).exists())
    fit, body = read_fit(fit_path(work, row.capture)), load_body(settings.body)
    posed, cameras = pose_capture(body, fit, manifest.cameras)
    if settings.rig is not None:
        views = {other.view for other in rows}
        chosen = [camera for camera in cameras if camera.name in views]
        title = f"{row.capture}: cameras of {Path(settings.rig).name}"
        write_bytes(path, rig_sheet(body, posed.vertices[fit.verdict != REJECTED], chosen, title))
        return
    camera = next(camera for camera in cameras if camera.name == row.view)
    shown = posed.vertices[(fit.verdict != REJECTED) & in_view(posed.vertices, camera)]
    if len(shown) < 5:
        raise InvalidData(
            f"only {len(shown)} frames are wholly in view", where=str(row.key), hint="--select another one"
        )
    sheet = look_sheet(body, shown, camera, row.key, seed=settings.look.seed, size=manifest.aligned_size)
    write_bytes(path, sheet)
