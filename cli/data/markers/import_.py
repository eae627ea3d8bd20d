"""``mgdata markers import``: published virtual markers, for the body of a user's own."""

from pathlib import Path

import click

from meshgait_data.errors import UsageError

from ...options import body_option, json_option
from .info import PICTURE
from .printing import print_set


@click.command("import")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@body_option
@click.option(
    "--vertices", type=PICTURE, required=True, metavar="FILE",
    help="Vertices that the published matrix is for: smpl_indices.pkl, or .npy, .txt, .json.",
)  # fmt: skip
@click.option("--out", type=PICTURE, required=True, metavar="FILE", help="The set: FILE.npz.")
@click.option("--overwrite", is_flag=True, help="Replace FILE if it is there.")
@json_option
def import_(folder: Path, body: str | None, vertices: Path, out: Path, overwrite: bool, as_json: bool) -> None:
    r"""Import published virtual markers (Ma et al., CVPR 2023) for your SMPL body.

    DIR is assets/16, 32, 64 or 96 of the repository ShirleyMaxx/VirtualMarker, with vm_A_sym.npz, vm_B_sym.npz and
    vm_info.npz. These are for SMPL without its head, 5664 vertices; which ones these are says smpl_indices.pkl of
    their published data, or a list of your own. Coefficients of the vertices that are left out, and signed ones, are
    fitted on your body. Nothing in the files is executed.

    \b
    Examples:
      mgdata markers import assets/64 --body SMPL_NEUTRAL.pkl --vertices smpl_indices.pkl --out published-64.npz
    """
    from meshgait_data.body.files import load_body
    from meshgait_data.body.marker_files import read_markers, save_markers
    from meshgait_data.pipeline.markers import import_published

    if out.exists() and not overwrite:
        hint = "choose another --out, or replace it with --overwrite"
        raise UsageError("is there already", where=str(out), hint=hint)
    save_markers(out, import_published(folder, vertices, load_body(body), name=out.stem))
    print_set(read_markers(out), out, as_json)
