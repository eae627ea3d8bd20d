"""One person walking across a picture of 640 x 480, written in the layout of every detector and dataset."""

import json

import numpy as np

from meshgait_data.body.joint_files import load_joint_set

WIDTH, HEIGHT, FRAMES, FIRST = 640, 480, 12, 5


def walk(count=17, seed=0, shift=(0.0, 0.0), scale=1.0):
    """(F, P, 3): a box of points, about 180 px high, that moves by 6 px a frame; point 3 is unseen in frame 2."""
    rng = np.random.default_rng(seed)
    body = rng.uniform((-40, -90), (40, 90), size=(count, 2)) * scale
    middle = np.stack([200 + 6.0 * np.arange(FRAMES), np.full(FRAMES, 240.0)], axis=1) + shift
    points = np.round(middle[:, None] + body, 2)
    confidence = np.round(rng.uniform(0.3, 0.95, size=(FRAMES, count, 1)), 3)
    points = np.concatenate([points, confidence], axis=-1)
    points[2, 3] = 0
    return points


def bystander(count=17):
    """Somebody smaller who stands at the right."""
    return walk(count, seed=1, shift=(250, 30), scale=0.5) - np.arange(FRAMES)[:, None, None] * np.array([6.0, 0, 0])


def frames():
    return range(FIRST, FIRST + FRAMES)


def _dump(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def _records(people, name=lambda frame: frame, **more):
    return [
        {"image_id": name(frame), "category_id": 1, "keypoints": points[row].ravel().tolist(), "score": 2.5, **more}
        for row, frame in enumerate(frames())
        for points in people
    ]


def coco_results(folder, *people):
    return _dump(folder / "results.json", _records(people))


def coco_annotations(folder, *people):
    images = [
        {"id": 1000 + frame, "file_name": f"cam/{frame:06d}.jpg", "width": WIDTH, "height": HEIGHT}
        for frame in frames()
    ]
    records = [{**record, "image_id": 1000 + record["image_id"]} for record in _records(people)]
    return _dump(folder / "person_keypoints.json", {"images": images, "annotations": records})


def alphapose(folder, *people):
    return _dump(folder / "alphapose-results.json", _records(people, name=lambda frame: f"{frame}.jpg"))


def alphapose_tracked(folder, *people):
    records = []
    for number, points in enumerate(people):
        records += _records([points], name=lambda frame: f"{frame}.jpg", idx=[float(number + 1)])
    return _dump(folder / "alphapose-results.json", records)


def alphapose_by_picture(folder, *people):
    content = {
        f"{frame}.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": p[row].ravel().tolist()} for p in people]}
        for row, frame in enumerate(frames())
    }
    return _dump(folder / "alphapose-results.json", content)


def _instances(people, row):
    return [{"keypoints": p[row, :, :2].tolist(), "keypoint_scores": p[row, :, 2].tolist()} for p in people]


def mmpose(folder, *people):
    entries = [{"frame_id": frame, "instances": _instances(people, row)} for row, frame in enumerate(frames())]
    return _dump(folder / "clip.json", {"meta_info": {"dataset_name": "coco"}, "instance_info": entries})


def mmpose_folder(folder, *people):
    for row, frame in enumerate(frames()):
        _dump(folder / "predictions" / f"{frame:06d}.json", _instances(people, row))
    return folder / "predictions"


def openpose(folder, *people):
    for row, frame in enumerate(frames()):
        content = {
            "version": 1.3,
            "people": [{"person_id": [-1], "pose_keypoints_2d": p[row].ravel().tolist()} for p in people],
        }
        _dump(folder / "json" / f"clip_{frame:012d}_keypoints.json", content)
    return folder / "json"


def gait3d(folder, *people):
    for row, frame in enumerate(frames()):
        path = folder / "seq0" / f"human_crop_f{frame}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(",".join(map(str, [311, 438, *people[0][row].ravel()])))
    return folder / "seq0"


def grew(folder, *people):
    for row, frame in enumerate(frames()):
        path = folder / "hash" / f"{frame:05d}_2d_pose.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(",".join(map(str, [HEIGHT, WIDTH, *people[0][row].ravel()])))
        path.with_name(f"{frame:05d}_3d_pose.txt").write_text(",".join(["480", "640", *["0.5"] * 42]))
    return folder / "hash"


def plain(folder, *people):
    points = people[0]
    names = load_joint_set("coco17").names
    path = folder / "keypoints.npz"
    np.savez(
        path,
        points=points[..., :2],
        confidence=points[..., 2],
        names=np.array(names),
        joint_set="coco17",
        frame_ids=np.array(list(frames())),
        size=np.array([WIDTH, HEIGHT]),
    )
    return path


def frame_json(folder, *people):
    for row, frame in enumerate(frames()):
        path = folder / "pose" / f"{frame:05d}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(people[0][row].tolist() if row % 2 else [one[row].tolist() for one in people]))
    return folder / "pose"


def mediapipe(folder, *people):
    shifted = people[0] + np.array([0.5, 0.5, 0])
    path = folder / "person01.npz"
    np.savez(path, kp0=shifted, frame0=np.array(list(frames()), np.int16), mask0=np.zeros((FRAMES, 4, 1), np.uint8))
    return path


WRITERS = (
    coco_results,
    coco_annotations,
    alphapose,
    alphapose_tracked,
    alphapose_by_picture,
    mmpose,
    mmpose_folder,
    openpose,
    gait3d,
    grew,
    plain,
    frame_json,
)
SEVERAL = WRITERS[:8]
"""Layouts that may hold several people."""
