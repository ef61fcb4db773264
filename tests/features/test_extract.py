"""Features of videos: which frames a row is made of, their times, averages, and bad videos."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fake_networks import COLUMNS, FakeNetworks, infer_dense
from i3d_rgb_tf.errors import ModelError, VideoError
from i3d_rgb_tf.features import extract
from i3d_rgb_tf.features.extract import extract_features
from i3d_rgb_tf.features.result import Features
from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.features.windows import LastFrames
from i3d_rgb_tf.inference.networks import Network
from videos import gray, ramp, write_video


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNetworks:
    monkeypatch.setattr(extract, "infer_dense", infer_dense)
    return FakeNetworks(tmp_path / "model.xml")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video of 40 frames whose brightness is 10 + 6 times their number."""
    return write_video(tmp_path_factory.mktemp("ramp") / "ramp.mp4", ramp(40), options={"qp": "0"})


def features_of(networks: FakeNetworks, video: Path, **settings: object) -> Features:
    (found,) = extract_features(networks, [video], FeatureSettings(**settings))
    assert isinstance(found, Features)
    return found


def mean_frames(features: np.ndarray) -> np.ndarray:
    """Return the mean number of the frames that rows were made of."""
    assert np.allclose(features, features[..., :1] * COLUMNS[:1024], rtol=1e-5)
    return (features[..., 0] - 10) / 6


def test_a_window_is_the_mean_over_its_positions(networks: FakeNetworks, video: Path) -> None:
    found = features_of(networks, video, window=16, stride=8)

    assert found.features.shape == (4, 1024)
    assert found.features.dtype == np.float32
    assert mean_frames(found.features) == pytest.approx([7.5, 15.5, 23.5, 31.5], abs=0.3)
    assert found.times_seconds == pytest.approx(np.array([8, 16, 24, 32]) / 25)
    assert found.start_seconds == pytest.approx(np.array([0, 8, 16, 24]) / 25)
    assert found.end_seconds == pytest.approx(np.array([16, 24, 32, 40]) / 25)
    assert (found.num_frames, found.frames_per_second) == (40, 25)
    assert found.duration_seconds == pytest.approx(1.6)
    assert found.last_window == LastFrames(0, "none")
    assert found.logits is None


@pytest.mark.parametrize(
    ("last", "mean", "outcome"),
    [
        ("drop", [7.5, 23.5], "dropped"),
        ("pad", [7.5, 23.5, (sum(range(32, 40)) + 8 * 39) / 16], "padded"),
        ("repeat", [7.5, 23.5, 35.5], "repeated"),
    ],
)
def test_the_last_frames_are_dropped_padded_or_repeated(
    networks: FakeNetworks, video: Path, last: str, mean: list[float], outcome: str
) -> None:
    found = features_of(networks, video, window=16, last_window=last)

    assert mean_frames(found.features) == pytest.approx(mean, abs=0.3)
    assert found.last_window == LastFrames(8, outcome)
    assert not found.is_repeated
    assert found.end_seconds[-1] == pytest.approx(1.28 if last == "drop" else 1.6)


def test_a_video_shorter_than_a_window_is_repeated(networks: FakeNetworks, video: Path) -> None:
    found = features_of(networks, video, window=64)

    assert found.is_repeated
    assert mean_frames(found.features) == pytest.approx(
        [(sum(range(40)) + sum(range(24))) / 64], abs=0.3
    )
    assert (found.start_seconds.tolist(), found.end_seconds.tolist()) == ([0], [1.6])


def test_dense_features_have_a_row_for_each_position(networks: FakeNetworks, video: Path) -> None:
    found = features_of(networks, video)

    assert mean_frames(found.features) == pytest.approx([0, 8, 16, 24], abs=0.3)
    assert np.diff(found.times_seconds) == pytest.approx(8 / 25)
    assert found.start_seconds.tolist() == [0] * 4
    assert found.end_seconds.tolist() == [1.6] * 4
    assert found.last_window is None
    assert not found.is_repeated


def test_a_video_of_fewer_than_nine_frames_is_repeated(
    networks: FakeNetworks, tmp_path: Path
) -> None:
    short = write_video(tmp_path / "short.mp4", ramp(3))

    found = features_of(networks, short)

    assert found.features.shape == (1, 1024)
    assert found.is_repeated
    assert (found.num_frames, found.end_seconds.tolist()) == (3, [0.12])
    assert 0 <= found.times_seconds[0] <= 0.12


def test_native_uses_each_frame_of_the_file_once(networks: FakeNetworks, tmp_path: Path) -> None:
    video = write_video(tmp_path / "slow.mp4", ramp(20), rate=10)

    native = features_of(networks, video, window=16, frames_per_second=None)
    resampled = features_of(networks, video, window=16)

    assert (native.num_frames, native.frames_per_second) == (20, 10)
    assert native.times_seconds == pytest.approx([0.8])
    assert (resampled.num_frames, resampled.frames_per_second) == (50, 25)
    assert mean_frames(native.features)[0] == pytest.approx(7.5, abs=0.5)


def test_native_times_follow_a_varying_rate(networks: FakeNetworks, tmp_path: Path) -> None:
    """The first 16 frames take as long as one of the others."""
    times = [*range(0, 640, 40), *range(640, 640 * 17, 640)]
    video = write_video(tmp_path / "varying.mp4", ramp(32), times=times)

    found = features_of(networks, video, window=16, frames_per_second=None)

    assert found.start_seconds == pytest.approx([0, 0.64], abs=0.01)
    assert found.end_seconds == pytest.approx([0.64, 0.64 * 17], abs=0.7)
    assert found.times_seconds == pytest.approx([0.32, 0.64 * 9], abs=0.01)
    assert found.duration_seconds == pytest.approx(found.end_seconds[-1])


def test_logits_have_the_shape_of_the_features(networks: FakeNetworks, video: Path) -> None:
    found = features_of(networks, video, window=16, logits=True, crops=3)

    assert found.features.shape == (2, 3, 1024)
    assert found.logits is not None
    assert found.logits.shape == (2, 3, 400)
    expected = found.features[..., :1] * COLUMNS[1024:]
    assert np.allclose(found.logits, expected, rtol=1e-5)


@pytest.mark.parametrize("window", [None, 16])
@pytest.mark.parametrize("crops", [1, 3, 5, 10])
def test_each_crop_has_features_of_its_own(
    networks: FakeNetworks, tmp_path: Path, window: int | None, crops: int
) -> None:
    """The left half of the video is dark, its right half bright, its lower half darker."""
    frame = gray(200, 128, 96)
    frame[:, :64] //= 2
    frame[48:] //= 2
    video = write_video(tmp_path / "halves.mp4", [frame] * 16, options={"qp": "0"})

    found = features_of(networks, video, window=window, crops=crops)

    if crops == 1:
        assert found.features.shape == (1, 1024)
        return
    assert found.features.shape == (1, crops, 1024)
    light = found.features[0, :, 0]
    if crops == 3:
        assert light[0] < light[1] - 5 < light[2] - 10
    else:
        assert light[[2, 0, 4, 3, 1]].argsort().tolist()[0] == 0
        assert light[1] == light.max()
        assert light[0] < light[4] < light[1]
    if crops == 10:
        assert light[5:] == pytest.approx(light[[1, 0, 3, 2, 4]], abs=1)


@pytest.mark.parametrize("crops", [1, 10])
def test_a_video_is_decoded_once(
    networks: FakeNetworks, video: Path, monkeypatch: pytest.MonkeyPatch, crops: int
) -> None:
    reads: Counter[str] = Counter()
    real = extract.read_frames

    def read_frames(path: Path, **options: object):
        reads[path.name] += 1
        return real(path, **options)

    monkeypatch.setattr(extract, "read_frames", read_frames)

    for window in (None, 16):
        features_of(networks, video, window=window, crops=crops)

    assert reads == {"ramp.mp4": 2}


def test_segments_average_equal_parts(networks: FakeNetworks, video: Path) -> None:
    found = features_of(networks, video, window=9, stride=1, segments=4, logits=True)

    # There are 32 windows, each of which sees the first 8 of its 9 frames.
    assert mean_frames(found.features) == pytest.approx([7, 15, 23, 31], abs=0.3)
    assert found.start_seconds == pytest.approx(np.array([0, 8, 16, 24]) / 25)
    assert found.end_seconds == pytest.approx(np.array([16, 24, 32, 40]) / 25)
    assert found.times_seconds == pytest.approx(np.array([8, 16, 24, 32]) / 25)
    assert found.logits is not None
    assert found.logits.shape == (4, 400)


def test_more_segments_than_rows_repeat_rows(networks: FakeNetworks, video: Path) -> None:
    found = features_of(networks, video, window=16, segments=32)

    assert found.features.shape == (32, 1024)
    assert mean_frames(found.features[[0, 31]]) == pytest.approx([7.5, 23.5], abs=0.3)


def test_mean_pooling_gives_one_row_for_the_video(networks: FakeNetworks, video: Path) -> None:
    rows = features_of(networks, video, window=16, crops=3)

    found = features_of(networks, video, window=16, crops=3, pooling="mean")

    assert found.features.shape == (1, 3, 1024)
    assert np.allclose(found.features[0], rows.features.mean(axis=0), rtol=1e-6)
    assert (found.start_seconds.tolist(), found.end_seconds.tolist()) == ([0], [1.28])
    assert found.times_seconds.tolist() == [0.64]


@pytest.mark.parametrize("window", [None, 16])
def test_one_bad_video_does_not_stop_the_others(
    networks: FakeNetworks, video: Path, tmp_path: Path, window: int | None
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(video.read_bytes()[:2000])

    results = list(
        extract_features(
            networks, [broken, video, tmp_path / "gone.mp4"], FeatureSettings(window=window)
        )
    )

    assert [type(each) for each in results] == [VideoError, Features, VideoError]
    assert str(broken) in str(results[0])
    assert "there is no video" in str(results[2])


def test_a_result_names_what_it_was_made_with(networks: FakeNetworks, video: Path) -> None:
    network = features_of(networks, video, window=16).network

    assert (network.weights, network.model) == ("rgb_scratch", str(networks.path))
    assert (network.convolution, network.inference_precision) == ("direct", "f32")
    assert network.device == "CPU"


def test_a_device_that_does_not_report_its_precision_has_an_unknown_one(
    networks: FakeNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        def get_property(self, name: str) -> object:
            raise RuntimeError(name)

    monkeypatch.setattr(networks, "window", lambda _: Network(Silent(), "direct"))

    facts = extract.network_facts(networks, FeatureSettings(window=16))

    assert facts.inference_precision == "unknown"


def test_a_single_path_is_refused(networks: FakeNetworks, video: Path) -> None:
    with pytest.raises(TypeError, match="expected a list of paths"):
        extract_features(networks, str(video))


def test_features_of_another_shape_are_refused(networks: FakeNetworks, video: Path) -> None:
    found = features_of(networks, video, window=16)
    fields = {name: getattr(found, name) for name in Features.__dataclass_fields__}

    with pytest.raises(ModelError, match=r"features is \(2, 1000\) float32, expected \(2, 1024\)"):
        Features(**{**fields, "features": found.features[:, :1000]})
    with pytest.raises(ModelError, match=r"end_seconds is \(1,\) float64, expected \(2,\)"):
        Features(**{**fields, "end_seconds": found.end_seconds[:1]})
