"""Files of features: names and meaning, what the JSON says, and which runs resume."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fake_networks import FakeNetworks, infer_dense
from i3d_rgb_tf.errors import DatasetError, StorageError, VideoError
from i3d_rgb_tf.features import extract, files, resume
from i3d_rgb_tf.features.extract import extract_features
from i3d_rgb_tf.features.files import WrittenFeatures
from i3d_rgb_tf.features.resume import extract_to_folder
from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.version import __version__
from videos import ramp, write_video

WINDOWS = FeatureSettings(window=16, stride=8)


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNetworks:
    monkeypatch.setattr(extract, "infer_dense", infer_dense)
    return FakeNetworks(tmp_path / "model.xml")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "ramp.mp4", ramp(40))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def write(
    networks: FakeNetworks, video: Path, out: Path, settings: FeatureSettings, **options: bool
) -> WrittenFeatures:
    (written,) = extract_to_folder(networks, [video], out, settings, **options)
    assert isinstance(written, WrittenFeatures)
    return written


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_files_are_named_as_those_of_video_features(
    networks: FakeNetworks, video: Path, out: Path
) -> None:
    (found,) = extract_features(networks, [video], WINDOWS)

    written = write(networks, video, out, WINDOWS)

    assert names(out) == ["ramp.json", "ramp_fps.npy", "ramp_rgb.npy", "ramp_timestamps_ms.npy"]
    rgb = np.load(out / "ramp_rgb.npy")
    assert (rgb == found.features).all()
    assert (rgb.shape, rgb.dtype) == ((4, 1024), np.float32)
    fps = np.load(out / "ramp_fps.npy")
    assert (fps.shape, fps.dtype, float(fps)) == ((), np.float64, 25)
    # It states the time of the frame after each window: its frame 64 for the first 64 at 25 fps.
    times = np.load(out / "ramp_timestamps_ms.npy")
    assert times.tolist() == [640, 960, 1280, 1600]
    assert written.path == out / "ramp.json"
    assert (written.shape, written.is_new) == ((4, 1024), True)


def test_dense_timestamps_are_centres(networks: FakeNetworks, video: Path, out: Path) -> None:
    write(networks, video, out, FeatureSettings())

    document = json.loads((out / "ramp.json").read_text())
    milliseconds = np.load(out / "ramp_timestamps_ms.npy")
    assert milliseconds == pytest.approx(1000 * np.array(document["times_seconds"]))
    assert document["timestamps_ms"] == "centre of each row"
    assert (np.diff(milliseconds) > 0).all()


def test_the_json_says_all_that_the_features_depend_on(
    networks: FakeNetworks, video: Path, out: Path
) -> None:
    settings = FeatureSettings(window=16, stride=16, last_window="pad", logits=True, crops=3)

    write(networks, video, out, settings)

    document = json.loads((out / "ramp.json").read_text())
    assert document["version"] == __version__
    assert document["video"] == {
        "path": str(video),
        "sha256": hashlib.sha256(video.read_bytes()).hexdigest(),
    }
    assert document["settings"] == {
        "kind": "windows",
        "window": 16,
        "stride": 16,
        "frames_per_second": 25,
        "last_window": "pad",
        "segments": None,
        "crops": 3,
        "pooling": "none",
        "logits": True,
    }
    model = networks.path.read_bytes() + networks.path.with_suffix(".bin").read_bytes()
    assert document["network"] == {
        "weights": "rgb_scratch",
        "weights_sha384": networks.weights_sha384,
        "model": str(networks.path),
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "convolution": "direct",
        "inference_precision": "f32",
        "device": "CPU",
    }
    assert document["last_window"] == {"num_frames": 8, "outcome": "padded"}
    assert document["crops"] == [
        "start of the longer side",
        "centre",
        "end of the longer side",
    ]
    assert (document["num_frames"], document["frames_per_second"]) == (40, 25)
    assert (document["duration_seconds"], document["is_repeated"]) == (1.6, False)
    assert document["timestamps_ms"] == "end of each row"
    assert document["start_seconds"] == [0, 0.64, 1.28]
    assert document["end_seconds"] == [0.64, 1.28, 1.6]
    for key, shape in {"rgb": [3, 3, 1024], "logits": [3, 3, 400], "fps": []}.items():
        file = document["files"][key]
        data = (out / file["name"]).read_bytes()
        assert file["shape"] == shape
        assert file["sha256"] == hashlib.sha256(data).hexdigest()


def test_finished_features_are_not_made_again(
    networks: FakeNetworks, video: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(networks, video, out, WINDOWS)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    monkeypatch.setattr(extract, "read_frames", None)

    again = write(networks, video, out, WINDOWS)

    assert again == replace(first, is_new=False)
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_only_missing_videos_are_made_and_all_are_reported_in_order(
    networks: FakeNetworks, video: Path, out: Path, tmp_path: Path
) -> None:
    others = [Path(shutil.copy(video, tmp_path / f"{name}.mp4")) for name in "ab"]
    write(networks, video, out, WINDOWS)

    results = list(
        extract_to_folder(
            networks, [others[0], video, tmp_path / "gone.mp4", others[1]], out, WINDOWS
        )
    )

    assert [getattr(each, "is_new", None) for each in results] == [True, False, None, True]
    assert isinstance(results[2], VideoError)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"stride": 16}, "settings.stride 8, expected 16"),
        ({"logits": True}, "settings.logits False, expected True"),
        ({"frames_per_second": None}, "settings.frames_per_second 25.0, expected None"),
    ],
)
def test_features_of_other_settings_stop_the_run_before_it_begins(
    networks: FakeNetworks, video: Path, out: Path, tmp_path: Path, change: dict, difference: str
) -> None:
    write(networks, video, out, WINDOWS)
    other = Path(shutil.copy(video, tmp_path / "another.mp4"))

    with pytest.raises(DatasetError) as caught:
        extract_to_folder(networks, [other, video], out, replace(WINDOWS, **change))

    assert str(caught.value) == (
        f"{out / 'ramp.json'} was made in another way: {difference}; choose another output folder, "
        "or replace it with --overwrite"
    )
    assert not (out / "another.json").exists()


def change_version(networks: FakeNetworks, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "__version__", "9.9")


def change_model(networks: FakeNetworks, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks.path.with_suffix(".bin").write_bytes(b"other weights")


def change_weights(networks: FakeNetworks, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks.weights = "unknown"


def change_video(networks: FakeNetworks, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(video, ramp(24))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (change_version, "version"),
        (change_model, "network.model_sha256"),
        (change_weights, "network.weights"),
        (change_video, "video.sha256"),
    ],
)
def test_features_of_other_inputs_are_replaced_only_if_told_to(
    networks: FakeNetworks, video: Path, out: Path, monkeypatch: pytest.MonkeyPatch, change, place
) -> None:
    write(networks, video, out, replace(WINDOWS, logits=True))
    change(networks, video, monkeypatch)

    with pytest.raises(DatasetError, match=f"was made in another way: {place} "):
        extract_to_folder(networks, [video], out, replace(WINDOWS, logits=True))
    written = write(networks, video, out, WINDOWS, overwrite=True)

    assert written.is_new
    assert names(out) == ["ramp.json", "ramp_fps.npy", "ramp_rgb.npy", "ramp_timestamps_ms.npy"]
    assert not write(networks, video, out, WINDOWS).is_new


def test_another_path_of_the_same_model_and_video_makes_no_difference(
    networks: FakeNetworks, video: Path, out: Path, tmp_path: Path
) -> None:
    write(networks, video, out, WINDOWS)
    folder = tmp_path / "moved"
    folder.mkdir()
    moved = Path(shutil.move(video, folder))

    assert not write(FakeNetworks(folder / "model.xml"), moved, out, WINDOWS).is_new


def cut_rgb(out: Path) -> None:
    data = (out / "ramp_rgb.npy").read_bytes()
    (out / "ramp_rgb.npy").write_bytes(data[:-1])


def remove_fps(out: Path) -> None:
    (out / "ramp_fps.npy").unlink()


def change_json(out: Path, key: str, value: object) -> None:
    document = json.loads((out / "ramp.json").read_text())
    (out / "ramp.json").write_text(json.dumps({**document, key: value}))


def forget_files(out: Path) -> None:
    change_json(out, "files", {})


def misstate_files(out: Path) -> None:
    change_json(out, "files", {"rgb": 1})


def forget_length(out: Path) -> None:
    document = json.loads((out / "ramp.json").read_text())
    del document["duration_seconds"]
    (out / "ramp.json").write_text(json.dumps(document))


def misstate_length(out: Path) -> None:
    change_json(out, "duration_seconds", "two seconds")


def misstate_shape(out: Path) -> None:
    files = json.loads((out / "ramp.json").read_text())["files"]
    files["rgb"]["shape"] = ["\x1b[31m", None]
    change_json(out, "files", files)


def remove_json_and_mark(out: Path) -> None:
    """Leave what a run leaves that is killed while it moves the files."""
    (out / "ramp.json").unlink()
    (out / "ramp.unfinished").touch()


def empty_json(out: Path) -> None:
    (out / "ramp.json").write_bytes(b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        cut_rgb,
        remove_fps,
        empty_json,
        forget_files,
        misstate_files,
        forget_length,
        misstate_length,
        misstate_shape,
        remove_json_and_mark,
    ],
)
def test_damaged_or_partial_features_are_made_again(
    networks: FakeNetworks, video: Path, out: Path, damage
) -> None:
    write(networks, video, out, WINDOWS)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    damage(out)

    assert write(networks, video, out, WINDOWS).is_new

    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("key", ["rgb", "fps", "timestamps_ms", "logits"])
def test_arrays_of_another_program_are_not_replaced(
    networks: FakeNetworks, video: Path, out: Path, key: str
) -> None:
    out.mkdir()
    array = out / f"ramp_{key}.npy"
    array.write_bytes(b"from video_features")

    with pytest.raises(DatasetError, match=r"ramp_\*.npy was not written by this program; choose"):
        extract_to_folder(networks, [video], out, WINDOWS)

    assert array.read_bytes() == b"from video_features"
    (written,) = extract_to_folder(networks, [video], out, WINDOWS, overwrite=True)
    assert written.is_new


def test_other_settings_are_reported_even_if_a_file_is_missing(
    networks: FakeNetworks, video: Path, out: Path
) -> None:
    write(networks, video, out, WINDOWS)
    remove_fps(out)

    with pytest.raises(DatasetError, match="made in another way: settings.logits False"):
        extract_to_folder(networks, [video], out, replace(WINDOWS, logits=True))


def test_a_video_that_is_gone_does_not_stop_the_others(
    networks: FakeNetworks, video: Path, out: Path, tmp_path: Path
) -> None:
    gone, found = extract_to_folder(networks, [tmp_path / "gone.mp4", video], out, WINDOWS)

    assert isinstance(gone, VideoError)
    assert isinstance(found, WrittenFeatures)


@pytest.mark.parametrize("text", ["[]", '{"title": "Ramp"}', "3", '{"line": 1}\n{"line": 2}\n'])
def test_a_json_of_another_program_is_not_replaced(
    networks: FakeNetworks, video: Path, out: Path, text: str
) -> None:
    out.mkdir()
    (out / "ramp.json").write_text(text)

    with pytest.raises(DatasetError, match="ramp.json was not written by this program; choose"):
        extract_to_folder(networks, [video], out, WINDOWS)

    assert (out / "ramp.json").read_text() == text
    assert write(networks, video, out, WINDOWS, overwrite=True).is_new


def test_logits_that_are_not_of_the_features_are_removed(
    networks: FakeNetworks, video: Path, out: Path
) -> None:
    """As after a run that replaced features with logits, and was killed before it removed them."""
    write(networks, video, out, WINDOWS)
    (out / "ramp_logits.npy").touch()
    (out / "ramp.unfinished").touch()

    assert not write(networks, video, out, WINDOWS).is_new

    assert not (out / "ramp_logits.npy").exists()
    assert not (out / "ramp.unfinished").exists()


def test_logits_of_another_program_stay(networks: FakeNetworks, video: Path, out: Path) -> None:
    write(networks, video, out, WINDOWS)
    (out / "ramp_logits.npy").touch()

    assert not write(networks, video, out, WINDOWS).is_new

    assert (out / "ramp_logits.npy").exists()


def test_finished_features_of_a_video_that_is_gone_are_kept_and_the_video_is_reported(
    networks: FakeNetworks, video: Path, out: Path
) -> None:
    write(networks, video, out, WINDOWS)
    before = names(out)
    video.unlink()

    (result,) = extract_to_folder(networks, [video], out, WINDOWS)

    assert isinstance(result, VideoError)
    assert names(out) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_cannot_be_read_are_an_error(
    networks: FakeNetworks, video: Path, out: Path
) -> None:
    write(networks, video, out, WINDOWS)
    (out / "ramp.json").chmod(0)

    with pytest.raises(StorageError, match="cannot read .*ramp.json"):
        extract_to_folder(networks, [video], out, WINDOWS)


def test_an_interrupted_write_leaves_nothing(
    networks: FakeNetworks, video: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "file_digest", interrupt)

    with pytest.raises(KeyboardInterrupt):
        write(networks, video, out, WINDOWS)

    assert not out.exists()


def test_two_videos_of_one_name_are_refused_before_work(
    networks: FakeNetworks, video: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "network_facts", None)
    other = Path("elsewhere/RAMP.avi")

    with pytest.raises(DatasetError) as caught:
        extract_to_folder(networks, [video, other], out, WINDOWS)

    assert str(caught.value) == (
        f"{video} and {other} would both be written to RAMP_rgb.npy; run them with two output "
        "folders, or rename one"
    )
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_an_error_before_work(
    networks: FakeNetworks, video: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="cannot write .*file"):
        extract_to_folder(networks, [video], tmp_path / "file", WINDOWS)
