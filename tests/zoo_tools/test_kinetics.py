"""Each layout of Kinetics-400, evaluated as by accuracy_check 2023.3, clip by clip."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.video.decode import read_frames
from videos import write_video

WHEEL_VIDEOS = {"bigbuckbunny": "feeding birds", "bikes": "riding a bike"}
"""The short videos of the wheel, with the nearest of the 400 labels."""
SHARED_VIDEOS = {
    "clips/activitynet_v_GGSY1Qvo990.mp4": "clean and jerk",
    "clips/activitynet_v_ZNVhz7ctTq0.mp4": "walking the dog",
    "clips/gluoncv_basketball.gif": "shooting basketball",
    "clips/nasa_13013.mp4": "skydiving",
    "clips/omz_action_recognition.gif": "texting",
    "v_CricketShot_g04_c01_rgb.gif": "playing cricket",
}
"""More videos, if they are there; otherwise those of the wheel are cut into eight."""
LAYOUTS = ["archive", "spaces", "underscores", "csv", "json"]


def place_videos(wheel: Path, shared: Path, folder: Path) -> dict[Path, str]:
    """Return 8 videos, named as in the archive of CVDF, and their labels."""
    found = {shared / name: label for name, label in SHARED_VIDEOS.items()}
    found |= {wheel / f"{name}.mp4": label for name, label in WHEEL_VIDEOS.items()}
    if not all(path.is_file() for path in found):
        found = cut_videos(wheel, folder)
    videos = {}
    for number, (path, label) in enumerate(found.items()):
        name = f"id-{number}_{number:06d}_{number + 10:06d}{path.suffix}"
        videos[Path(shutil.copy(path, folder / name))] = label
    assert len(videos) == 8
    return videos


def cut_videos(wheel: Path, folder: Path) -> dict[Path, str]:
    videos = {}
    for name, label in WHEEL_VIDEOS.items():
        frames = list(read_frames(wheel / f"{name}.mp4", short_side=None))
        size = len(frames) // 4
        for part in range(4):
            path = folder / f"{name}{part}.mp4"
            videos[write_video(path, frames[part * size : (part + 1) * size])] = label
    return videos


def write_layout(layout: str, videos: dict[Path, str], root: Path) -> Path:
    """Write a layout of the data set, and return the argument of `prepare`."""
    root.mkdir()
    if layout in ("csv", "json"):
        rows = [{"path": str(path), "label": label} for path, label in videos.items()]
        source = root / f"list.{layout}"
        lines = ["path,label", *(f"{row['path']},{row['label']}" for row in rows)]
        source.write_text(json.dumps(rows) if layout == "json" else "\n".join(lines))
        return source
    table = ["label,youtube_id,time_start,time_end,split"]
    for path, label in videos.items():
        identifier, start, end = path.stem.split("_")
        table.append(f"{label},{identifier},{int(start)},{int(end)},val")
        classes = {"archive": "", "spaces": label, "underscores": label.replace(" ", "_")}
        target = root / "val" / classes[layout] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    if layout == "archive":
        (root / "annotations").mkdir()
        (root / "annotations" / "val.csv").write_text("\n".join(table))
    return root


@pytest.fixture(scope="module")
def prepared(accuracy_check, wheel, optional_shared_folder, tmp_path_factory):
    """Return the folder that `prepare` makes of the videos in each layout."""
    root = tmp_path_factory.mktemp("kinetics")
    (root / "videos").mkdir()
    videos = place_videos(wheel, optional_shared_folder, root / "videos")
    for layout in LAYOUTS:
        source = write_layout(layout, videos, root / layout)
        assert main(["prepare", str(source), "--frames", "-o", str(root / f"{layout}-out")]) == 0
    yield {layout: root / f"{layout}-out" for layout in LAYOUTS}
    shutil.rmtree(root)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_layout_gives_the_same_frames_and_annotations(prepared):
    expected = contents(prepared[LAYOUTS[0]] / "kinetics")
    assert sum(name.endswith(".jpg") for name in expected) > 8

    for layout in LAYOUTS[1:]:
        assert contents(prepared[layout] / "kinetics") == expected, layout


def infer_with_accuracy_check(tools, config: Path, model: Path, data: Path, folder: Path):
    """Return its metrics by the protocol zoo, and the predictions for the clips of each video."""
    document = yaml.safe_load(config.read_text())
    document["models"][0]["datasets"] = document["models"][0]["datasets"][:1]
    folder.mkdir()
    chosen, stored = folder / "zoo.yml", folder / "stored.pickle"
    chosen.write_text(yaml.safe_dump(document))
    options = ["--stored_predictions", stored]
    (metrics,) = tools.check_accuracy(chosen, model, data, folder / "run", *options).values()
    script, output = Path(__file__).with_name("read_predictions.py"), folder / "predictions.json"
    tools.run("python", script, stored, output)
    predictions: dict[str, list[list[float]]] = {}
    for video, _, probabilities in sorted(json.loads(output.read_text())):
        predictions.setdefault(video, []).append(probabilities)
    return metrics, predictions


def test_evaluate_agrees_with_accuracy_check_on_the_same_frames(
    accuracy_check, config, converted, prepared, spec, tmp_path, capsys
):
    model, data = spec.ir_path(converted, "FP32"), prepared["archive"]
    metrics, theirs = infer_with_accuracy_check(
        accuracy_check, config, model, data, tmp_path / "theirs"
    )

    capsys.readouterr()
    command = ["evaluate", str(data), "-m", str(model), "-o", str(tmp_path / "out")]
    assert main([*command, "--protocol", "zoo", "--format", "json"]) == 0
    (ours,) = json.loads(capsys.readouterr().out)

    entries = [json.loads(line) for line in Path(ours["predictions_path"]).read_text().splitlines()]
    assert [entry["name"] for entry in entries] == list(theirs)
    indices = {label: index for index, label in enumerate(load_labels())}
    correct = {}
    farthest = 0.0
    for entry in entries:
        name, found = entry["name"], np.array(entry["probabilities"])
        expected = np.array(theirs[name])
        assert found.shape == expected.shape == (3, 400)
        farthest = max(farthest, float(np.abs(found - expected).max()))
        assert found.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist(), name
        index = indices[entry["label"]]
        ranks = [(each > each[:, [index]]).sum(axis=1) for each in (found, expected)]
        for top in (1, 5):
            assert (ranks[0] < top).tolist() == (ranks[1] < top).tolist(), name
        correct[name] = bool(found.mean(axis=0).argmax() == index)
    assert farthest <= 1e-5

    clip_top1, clip_top5, video_top1 = (
        ours[name] for name in ("clip_top1", "clip_top5", "video_top1")
    )
    assert clip_top1["count"] == 3 * len(entries)
    assert metrics["accuracy@top1"] == pytest.approx(clip_top1["fraction"], abs=1e-9)
    assert metrics["accuracy@top5"] == pytest.approx(clip_top5["fraction"], abs=1e-9)
    # Not all correct and not all wrong, or the comparison would show little.
    assert 0 < clip_top1["correct"] < clip_top1["count"]

    # Its clip_accuracy counts a video when the next one begins: the last is never counted.
    *counted, last = correct.values()
    without = sum(counted) / len(counted)
    video_accuracy = metrics["clip_accuracy@video_accuracy"]
    assert (video_top1["correct"], video_top1["count"]) == (sum(correct.values()), len(correct))
    assert video_accuracy == pytest.approx(without, abs=1e-9)
    assert video_accuracy != pytest.approx(video_top1["fraction"], abs=1e-9)
    with capsys.disabled():
        print(
            f"\n{len(entries)} videos, {clip_top1['count']} clips: top-1 {clip_top1['correct']}, "
            f"top-5 {clip_top5['correct']}, the same in both, probabilities within {farthest:.1e}; "
            f"videos: ours {video_top1['correct']} of {len(correct)}, accuracy_check "
            f"{sum(counted)} of {len(counted)} without the last, which is "
            f"{'correct' if last else 'wrong'}"
        )
