"""Good files of every format that is read, small, and ways to spoil them: what ``datasets_hostile.py`` feeds readers.

Everything follows from a seed, so that an input that fails can be made again.
"""

import io
import json
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "sources"))

import cv2  # noqa: E402  # after the path
import keypoint_files  # noqa: E402
import smpl_fakes  # noqa: E402

from meshgait_data.body.files import load_body  # noqa: E402
from meshgait_data.manifest import load_joint_map, load_manifest  # noqa: E402
from meshgait_data.sources.asf import parse_skeleton  # noqa: E402
from meshgait_data.sources.bvh import read_bvh  # noqa: E402
from meshgait_data.sources.c3d import read_c3d  # noqa: E402
from meshgait_data.sources.cameras import read_cameras, write_cameras  # noqa: E402
from meshgait_data.sources.files import read_motion, read_text  # noqa: E402
from meshgait_data.sources.frame_ids import read_ids  # noqa: E402
from meshgait_data.sources.joints3d import read_joints3d  # noqa: E402
from meshgait_data.sources.keypoints import KeypointOptions, read_keypoints  # noqa: E402
from meshgait_data.sources.masks import read_masks  # noqa: E402
from meshgait_data.sources.riding import read_frames_of  # noqa: E402
from meshgait_data.sources.smpl_params import read_params  # noqa: E402
from meshgait_data.types import BodyParams, Camera  # noqa: E402

FRAMES = 6
Rng = np.random.Generator
OLD_NUMPY = (b"numpy._core", b"numpy.core")


@dataclass(frozen=True)
class Sample:
    """A good input and its reader."""

    name: str
    make: Callable[[Path], Path]
    """Writes it into an empty folder; gives the path to read."""
    read: Callable[[Path], Any]


def masks() -> np.ndarray:
    """(F, 64, 64) an ellipse that walks."""
    images = np.zeros((FRAMES, 64, 64), np.uint8)
    for frame in range(FRAMES):
        cv2.ellipse(images[frame], (24 + 3 * frame, 32), (8, 24), 10, 0, 360, 255, -1)
    return images


def joints() -> np.ndarray:
    """(F, 24, 3) a cloud in which thighs are about as long as thighs are."""
    return 0.2 * np.random.default_rng(3).normal(size=(FRAMES, 24, 3))


def person() -> smpl_fakes.Walk:
    """A walk of the free body."""
    rng = np.random.default_rng(5)
    pose = rng.normal(0, 0.3, (FRAMES, 69))
    pose[:, 63:] = 0
    turn = np.stack([rng.normal(0, 0.1, FRAMES), np.linspace(-2.0, 2.5, FRAMES), rng.normal(0, 0.1, FRAMES)], 1)
    transl = np.stack([np.linspace(0, 0.1, FRAMES), np.full(FRAMES, 1.1), np.linspace(0, 0.1, FRAMES)], 1)
    arrays = [rng.normal(0, 1, 10), turn, pose, transl]
    return smpl_fakes.Walk(load_body("free-lite"), BodyParams(*(array.astype(np.float32) for array in arrays)))


def _saved(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _pictures(name: str, ending: str = ".png") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for frame, image in enumerate(masks()):
            _saved(folder / "seq" / name.format(9998 + frame), cv2.imencode(ending, image)[1].tobytes())
        return folder / "seq"

    return make


def _pickled(name: str, value: Callable[[], Any], protocol: int = 4, old: bool = False) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        data = pickle.dumps(value(), protocol)
        if old and protocol < 4:
            # Names before protocol 4 end in a line, so that they may have another length.
            data = data.replace(*OLD_NUMPY)
        return _saved(folder / name, data)

    return make


def _npz(name: str, **arrays: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        stream = io.BytesIO()
        np.savez_compressed(stream, **arrays)
        return _saved(folder / name, stream.getvalue())

    return make


def _npy(name: str, array: np.ndarray) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        stream = io.BytesIO()
        np.save(stream, array)
        return _saved(folder / name, stream.getvalue())

    return make


def _leaf(folder: Path) -> Path:
    for name, value in (("pars", masks() // 50), ("sils", masks()), ("smpls", np.zeros((FRAMES, 85), np.float16))):
        _saved(folder / "leaf" / f"{name}-seq0.pkl", pickle.dumps(value))
    return folder / "leaf"


def _ccpg() -> list[np.ndarray | None]:
    frames: list[np.ndarray | None] = list(masks())
    frames[2] = None
    return frames


def _mesh_json(folder: Path) -> Path:
    for frame, rows in enumerate(joints()):
        data = {"hc3d": np.concatenate([rows, np.ones((24, 1))], 1).tolist(), "beta": [0.1] * 10}
        _saved(folder / "seq" / f"{frame:04d}.json", json.dumps(data).encode())
    return folder / "seq"


def _pose_json(folder: Path) -> Path:
    people = keypoint_files.walk(18), keypoint_files.walk(18, seed=2, shift=(150, 0))
    for row, frame in enumerate(keypoint_files.frames()):
        found = [{"pose_keypoints_2d": points[row].ravel().tolist()} for points in people[: row % 3]]
        name = f"{frame:04d}_keypoint.json" if row % 2 else f"{frame:04d}.json"
        _saved(folder / "seq" / name, json.dumps({"people": found}).encode())
    return folder / "seq"


def _grew3d(folder: Path) -> Path:
    for frame, rows in enumerate(joints()[:, :14]):
        _saved(folder / "seq" / f"{frame:05d}_3d_pose.txt", ",".join(map(str, [438, 311, *rows.ravel()])).encode())
    return folder / "seq"


def _asf_amc(folder: Path) -> Path:
    root = load_manifest("cmu_walk").default_root()
    assert root is not None
    shutil.copy(root / "asfamc/07/07.asf", folder / "07.asf")
    text = (root / "asfamc/07/07_01.amc").read_text()
    return _saved(folder / "07_01.amc", text[: text.index("\n13\n") + 1].encode())


def _read_asf_amc(path: Path) -> Any:
    skeleton = read_text(path.with_name("07.asf"))
    return read_motion(path, parse_skeleton(skeleton.text, skeleton.path))


_BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 90 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
%s}
MOTION
Frames: %d
Frame Time: 0.04
%s
"""


def _bvh(folder: Path) -> Path:
    chains = [
        ("Spine Spine1 Spine2 Neck Head", "0 9 0"),
        *((f"{side}UpLeg {side}Leg {side}Foot {side}ToeBase", "0 -30 1") for side in ("Left", "Right")),
        *((f"{side}Shoulder {side}Arm {side}ForeArm {side}Hand", "15 0 0") for side in ("Left", "Right")),
    ]
    text, count = "", 0
    for names, offset in chains:
        words = names.split()
        for depth, name in enumerate(words, start=1):
            pad = "  " * depth
            text += f"{pad}JOINT {name}\n{pad}{{\n{pad}  OFFSET {offset}\n"
            text += f"{pad}  CHANNELS 3 Zrotation Xrotation Yrotation\n"
            count += 1
        text += f"{'  ' * (len(words) + 1)}End Site\n{{\nOFFSET 0 5 0\n}}\n"
        text += "".join(f"{'  ' * depth}}}\n" for depth in range(len(words), 0, -1))
    rng = np.random.default_rng(0)
    rows = [" ".join(f"{x:.3f}" for x in [0, 90, frame, *rng.normal(0, 5, 3 + 3 * count)]) for frame in range(FRAMES)]
    return _saved(folder / "walk.bvh", (_BVH % (text, FRAMES, "\n".join(rows))).encode())


def _copied(path: str) -> Callable[[Path], Path]:
    return lambda folder: Path(shutil.copy(ROOT / path, folder))


def _camera() -> dict[str, Camera]:
    intrinsics = np.array([[900.0, 0, 319.5], [0, 900, 239.5], [0, 0, 1]])
    return {"a": Camera("a", intrinsics, np.diag([1.0, -1, -1]), np.array([0, 1.2, 4.0]), (640, 480))}


def _our_cameras(folder: Path) -> Path:
    write_cameras(folder / "cameras.yaml", _camera())
    return folder / "cameras.yaml"


def _opencv(folder: Path) -> Path:
    camera = _camera()["a"]
    storage = cv2.FileStorage(str(folder / "a.yml"), cv2.FILE_STORAGE_WRITE)
    for name, value in (("camera_matrix", camera.intrinsics), ("R", camera.rotation), ("T", camera.translation)):
        storage.write(name, np.asarray(value))
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    storage.release()
    return folder / "a.yml"


def _toml(folder: Path) -> Path:
    lines = ["[cam_0]", 'name = "a"', "size = [640.0, 480.0]", "matrix = [[900.0,0,320.0],[0,900.0,240.0],[0,0,1.0]]"]
    lines += ["distortions = [0.1,0.0,0.0,0.0]", "rotation = [3.1,0.0,0.1]", "translation = [0.0,1.2,4.0]", ""]
    return _saved(folder / "calib.toml", "\n".join(lines).encode())


def _colmap(folder: Path) -> Path:
    _saved(folder / "model" / "cameras.txt", b"# list\n1 PINHOLE 640 480 900 900 320 240\n")
    _saved(folder / "model" / "images.txt", b"# list\n1 0 1 0 0 0 1.2 4 1 a.png\n\n")
    return folder / "model"


def _into(write: Callable[..., Path], *people: Any) -> Callable[[Path], Path]:
    return lambda folder: write(folder, *people)


def samples() -> list[Sample]:
    """A good input of every format."""
    return [*_mask_samples(), *_keypoint_samples(), *_joint_samples(), *_parameter_samples(), *_other_samples()]


def _mask_samples() -> list[Sample]:
    bits = np.packbits(masks() > 0, axis=-1)
    made = {
        "png casia_b": _pictures("001-bg-01-000-{:03d}.png"),
        "png gait3d": _pictures("human_crop_f{}.png"),
        "jpg": _pictures("{:04d}.jpg", ".jpg"),
        "bmp": _pictures("{:04d}.bmp", ".bmp"),
        "tif": _pictures("{:04d}.tif", ".tif"),
        "pgm": _pictures("{:04d}.pgm", ".pgm"),
        "masks npz": _npz("m.npz", masks=masks(), frame_ids=np.arange(FRAMES)),
        "masks packed": _npz("m.npz", mask0=bits, frame0=np.arange(FRAMES)),
        **{f"sils pkl {p}": _pickled("000.pkl", masks, p, old=p == 2) for p in (2, 3, 4, 5)},
        "sils objects": _pickled("000.pkl", lambda: np.array([*_ccpg(), 1], dtype=object)[:-1], 3, old=True),
        "sils list": _pickled("000.pkl", _ccpg),
        "merged leaf": _leaf,
    }
    return [Sample(name, make, lambda path: read_masks(path, "v")) for name, make in made.items()]


def _keypoint_samples() -> list[Sample]:
    walk = keypoint_files.walk
    rows = np.concatenate([np.full((12, 2), 400.0), walk().reshape(12, 51)], 1)
    made: dict[str, Callable[[Path], Path]] = {
        f"keypoints {write.__name__}": _into(write, walk(25 if write is keypoint_files.openpose else 17))
        for write in (*keypoint_files.WRITERS, keypoint_files.mediapipe)
        if write is not keypoint_files.mediapipe
    }
    made |= {
        "keypoints mediapipe": _into(keypoint_files.mediapipe, walk(33)),
        "keypoints oumvlp_pose": _pose_json,
        "pose pkl 17x3": _pickled("000.pkl", walk, 2, old=True),
        "pose pkl 53": _pickled("000.pkl", lambda: rows),
    }
    options = KeypointOptions()
    return [Sample(name, make, lambda path: read_keypoints(path, "v", options=options)) for name, make in made.items()]


def _joint_samples() -> list[Sample]:
    made = {
        "joints npz": _npz("j.npz", joints=joints(), joint_set="smpl24", frame_ids=np.arange(FRAMES), up="y"),
        "joints mediapipe": _npz("j.npz", world0=np.resize(joints(), (FRAMES, 33, 3)), frame0=np.arange(FRAMES)),
        "joints npy": _npy("j.npy", joints()[:, :17]),
        "joints grew": _grew3d,
        "joints oumvlp_mesh": _mesh_json,
        "joints romp": _into(smpl_fakes.romp_old, person()),
    }
    return [Sample(name, make, read_joints3d) for name, make in made.items()]


def _parameter_samples() -> list[Sample]:
    walk = person()
    writers = (
        *(smpl_fakes.gait3d_pickle, smpl_fakes.theta_npz, smpl_fakes.romp_old, smpl_fakes.romp_new),
        *(smpl_fakes.romp_video, smpl_fakes.oumvlp_mesh, smpl_fakes.amass, smpl_fakes.easymocap, smpl_fakes.hmr2),
        *(smpl_fakes.phalp, smpl_fakes.vibe, smpl_fakes.smplx_npz),
    )
    return [Sample(f"smpl {write.__name__}", _into(write, walk), read_params) for write in writers]


def _other_samples() -> list[Sample]:
    colours = np.random.default_rng(0).integers(0, 255, (FRAMES, 3, 8, 8)).astype(np.uint8)
    maps = load_joint_map("bvh")
    ids = "\n".join(f"{n} 001-nm-01-090-{n + 3:03d}.png" for n in range(FRAMES)).encode()
    calibration = "tests/data/pose2sim_single/Calib.qca.txt"
    return [
        Sample("asf_amc", _asf_amc, _read_asf_amc),
        Sample("bvh", _bvh, lambda path: read_bvh(path, maps)),
        Sample("c3d", _copied("tests/data/c3d/static.c3d"), read_c3d),
        Sample("riding pkl", _pickled("rgbs.pkl", lambda: colours, 3), read_frames_of),
        Sample("riding npz", _npz("a.npz", heatmap=colours), read_frames_of),
        Sample("riding npy", _npy("a.npy", colours), read_frames_of),
        Sample("ids text", lambda folder: _saved(folder / "mapping.txt", ids), read_ids),
        Sample("ids pkl", _pickled("01_frame_ids.pkl", lambda: np.arange(FRAMES, dtype=np.int32)), read_ids),
        Sample("cameras yaml", _our_cameras, read_cameras),
        Sample("cameras opencv", _opencv, read_cameras),
        Sample("cameras toml", _toml, read_cameras),
        Sample("cameras colmap", _colmap, read_cameras),
        Sample("cameras qualisys", _copied(calibration), read_cameras),
    ]


# Ways to spoil a file. Each takes its content, its ending and a generator, and gives other content; ValueError where it
# does not go with the file.


def truncated(data: bytes, ending: str, rng: Rng) -> bytes:
    """Cut off anywhere."""
    return data[: int(rng.integers(0, max(1, len(data))))]


def emptied(data: bytes, ending: str, rng: Rng) -> bytes:
    """Of no bytes."""
    return b""


def bits_flipped(data: bytes, ending: str, rng: Rng) -> bytes:
    """A few bits are others."""
    changed = bytearray(data)
    for place in rng.integers(0, max(1, len(data)), int(rng.integers(1, 17))):
        if changed:
            changed[int(place)] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)


def bytes_inserted(data: bytes, ending: str, rng: Rng) -> bytes:
    """Random bytes in between, or a stretch repeated."""
    place = int(rng.integers(0, len(data) + 1))
    extra = rng.bytes(int(rng.integers(1, 64))) if rng.random() < 0.5 else data[place : place + 4096]
    return data[:place] + extra + data[place:]


def _odd(rng: Rng) -> Any:
    values = (
        None,
        "",
        "x",
        [],
        {},
        [[[]]],
        -1,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        True,
        "9" * 5000,
        [1] * 999,
    )
    return values[int(rng.integers(0, len(values)))]


def json_changed(data: bytes, ending: str, rng: Rng) -> bytes:
    """One value of a JSON is something else, or gone."""
    if ending != ".json":
        raise ValueError
    tree = json.loads(data)
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in pairs:
            places.append((node, key))
            waiting.append(value)
    for _ in range(int(rng.integers(1, 4))):
        node, key = places[int(rng.integers(0, len(places)))]
        try:
            if rng.random() < 0.2:
                del node[key]
            else:
                node[key] = _odd(rng)
        except (IndexError, KeyError):
            pass
    # Python writes numbers of more than 4300 digits only where it is allowed to.
    return json.dumps(tree, default=str).encode() if rng.random() < 0.9 else json.dumps(_odd(rng)).encode()


def words_changed(data: bytes, ending: str, rng: Rng) -> bytes:
    """Words or lines of a text are others, twice there, or gone."""
    if ending not in (".txt", ".amc", ".asf", ".bvh", ".yml", ".yaml", ".toml"):
        raise ValueError
    lines = data.decode("latin-1").splitlines(keepends=True)
    for _ in range(int(rng.integers(1, 4))):
        row = int(rng.integers(0, len(lines)))
        if rng.random() < 0.3:
            lines[row : row + 1] = [] if rng.random() < 0.5 else [lines[row]] * int(rng.integers(2, 50))
            lines = lines or [""]
            continue
        words = lines[row].replace(",", ", ").split(" ")
        new = ("nan", "inf", "1e999", "-", "", "x" * 5000, "9" * 5000, "0", "-1", "{", "}", ":root", "\0", "é")
        words[int(rng.integers(0, len(words)))] = new[int(rng.integers(0, len(new)))]
        lines[row] = " ".join(words)
    return "".join(lines).encode("latin-1", "replace")


def _array_changed(array: np.ndarray, rng: Rng) -> Any:
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: array.astype(rng.choice(["f2", "f4", "f8", "i1", "i8", "u2", "c8", "?"])),
        lambda: array.astype("U") if array.size < 5000 else array.astype("c16"),
        lambda: array.astype(object),
        lambda: np.array([array, None, "x"], dtype=object),
        lambda: array.ravel(),
        lambda: array[None],
        lambda: array[..., None],
        lambda: np.moveaxis(array, 0, -1) if array.ndim else array[None],
        lambda: array[:0] if array.ndim else np.zeros(0),
        lambda: array[..., :-1] if array.ndim else np.array("x"),
        lambda: np.zeros((0, 10**9, 3), array.dtype if array.dtype.kind in "biuf" else float),
        lambda: np.array(7),
        lambda: _spotted(array, np.nan, rng),
        lambda: _spotted(array, np.inf, rng),
        lambda: _spotted(array, 1e300, rng),
        lambda: np.full(array.shape, np.nan),
        lambda: array[::-1] if array.ndim else array,
        lambda: array.astype("M8[s]") if array.dtype.kind in "iu" else np.zeros(3, "i4,f8"),
    )
    return kinds[int(rng.integers(0, len(kinds)))]()


def _spotted(array: np.ndarray, value: float, rng: Rng) -> np.ndarray:
    changed = array.astype(np.float64) if array.dtype.kind in "biuf" else np.zeros(4)
    changed.ravel()[rng.integers(0, max(1, changed.size), 3) % max(1, changed.size)] = value
    return changed


def arrays_changed(data: bytes, ending: str, rng: Rng) -> bytes:
    """An array has another type, another shape, or NaN; an entry has another name, or is gone."""
    stream = io.BytesIO()
    with np.errstate(all="ignore"):
        if ending == ".npy":
            np.save(stream, _array_changed(np.load(io.BytesIO(data)), rng), allow_pickle=True)
        elif ending == ".npz":
            arrays = dict(np.load(io.BytesIO(data), allow_pickle=True))
            name = str(rng.choice(sorted(arrays)))
            if rng.random() < 0.15:
                arrays["other"] = arrays.pop(name)
            elif arrays[name].dtype.hasobject:
                arrays[name] = np.array(_value_changed(arrays[name].tolist(), rng), dtype=object)
            else:
                arrays[name] = _array_changed(arrays[name], rng)
            np.savez(stream, **arrays)
        elif ending == ".pkl":
            value = joblib.load(io.BytesIO(data))  # made above, and read by joblib whether it wrote it or not
            pickle.dump(_value_changed(value, rng), stream, int(rng.integers(2, 6)))
        else:
            raise ValueError
    return stream.getvalue()


def _value_changed(value: Any, rng: Rng) -> Any:
    """The same with one thing inside changed."""
    if isinstance(value, np.ndarray):
        return _array_changed(value, rng)
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = sorted(value, key=str)[int(rng.integers(0, len(value)))]
        if rng.random() < 0.15:
            return {other: item for other, item in value.items() if other != key}
        return {**value, key: _value_changed(value[key], rng)}
    if isinstance(value, list | tuple) and value and rng.random() < 0.9:
        place = int(rng.integers(0, len(value)))
        return [*value[:place], _value_changed(value[place], rng), *value[place + 1 :]]
    return _odd(rng)


def picture_changed(data: bytes, ending: str, rng: Rng) -> bytes:
    """A picture of another size or type, grey where it should be black and white, or with another size in its head."""
    if ending not in (".png", ".jpg", ".bmp", ".tif", ".pgm"):
        raise ValueError
    if ending == ".png" and rng.random() < 0.3:
        return data[:16] + rng.integers(0, 2**32, 2, dtype=np.uint64).astype(">u4").tobytes() + data[24:]
    shapes = ((1, 1), (3, 240), (64, 64, 3), (500, 500), (64, 44))
    shape = shapes[int(rng.integers(0, len(shapes)))]
    levels = int(rng.choice([1, 2, 128, 256]))
    image = rng.integers(0, levels, shape).astype(np.uint8)
    if rng.random() < 0.2 and len(shape) == 2:
        image = image.astype(np.uint16) * 257 if ending in (".png", ".tif") else image
    return cv2.imencode(ending if len(shape) == 2 or ending != ".pgm" else ".png", image)[1].tobytes()


def zip_changed(data: bytes, ending: str, rng: Rng) -> bytes:
    """An npz with an entry that is no array, twice there, of another name, or packed by something else."""
    if ending != ".npz":
        raise ValueError
    stream = io.BytesIO()
    packing = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(stream, "w") as target:
        for info in source.infolist():
            name = f"../../{info.filename}" if rng.random() < 0.2 else info.filename
            content = source.read(info) if rng.random() < 0.7 else bits_flipped(source.read(info), ending, rng)
            target.writestr(name, content, packing[int(rng.integers(0, 4))])
        if rng.random() < 0.3:
            target.writestr("readme", b"not an array")
    return stream.getvalue()


MUTATIONS = (
    *(truncated, bits_flipped, bytes_inserted, emptied),
    *(json_changed, words_changed, arrays_changed, arrays_changed, picture_changed, zip_changed),
)
"""Ways to spoil one file."""


def spoil(folder: Path, rng: Rng, others: list[Path]) -> str:
    """Spoil some of the files below a folder, in place; gives the ways in words."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    told = []
    for path in rng.permutation(np.array(files, dtype=object))[: 1 if rng.random() < 0.7 else len(files)]:
        told.append(_spoil_one(path, rng, others))
    return f"{', '.join(sorted(set(told)))} in {len(told)} of {len(files)}"


def _spoil_one(path: Path, rng: Rng, others: list[Path]) -> str:
    if rng.random() < 0.1:
        path.write_bytes(others[int(rng.integers(0, len(others)))].read_bytes())
        return "swapped"
    data = path.read_bytes()
    while True:
        change = MUTATIONS[int(rng.integers(0, len(MUTATIONS)))]
        try:
            path.write_bytes(change(data, path.suffix.lower(), rng))
        except (ValueError, TypeError, OverflowError):
            # This way does not go with this file, or cannot be written.
            continue
        return change.__name__
