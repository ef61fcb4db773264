"""A timeline has the logits of each position, and the time that each position stands for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from i3d_rgb_tf import DeviceError, SegmentSettings, VideoError, load_model
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.inference.receptive_field import count_logits, receptive_span
from i3d_rgb_tf.timeline.infer import infer_timelines
from i3d_rgb_tf.timeline.times import position_seconds
from networks import save_small_i3d
from timelines import make_timeline
from videos import gray, write_video

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = save_small_i3d(tmp_path_factory.mktemp("model") / "small.xml")
    return load_model(path, inference_precision="f32", cache=False)


@pytest.fixture(scope="module")
def flicker(tmp_path_factory):
    """Return a video of 250 frames whose brightness changes at random."""
    levels = np.random.default_rng(0).integers(0, 255, 250)
    frames = [gray(level) for level in levels]
    return write_video(tmp_path_factory.mktemp("video") / "flicker.mp4", frames)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_the_mean_of_the_logits_gives_the_classification(model, flicker):
    timeline = model.timeline(flicker)

    expected = model.classify(flicker)
    assert timeline.num_positions == expected.num_positions == count_logits(250)
    assert timeline.num_frames == 250
    assert timeline.duration_seconds == 10
    found = softmax(timeline.logits.astype(np.float64).mean(axis=0))
    assert np.abs(found - expected.probabilities).max() < 1e-6


def test_the_probabilities_of_a_position_are_the_softmax_of_its_logits(model, flicker):
    timeline = model.timeline(flicker)

    assert np.abs(timeline.probabilities - softmax(timeline.logits)).max() < 1e-6
    assert timeline.logits.std(axis=0).max() > 0.01


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_an_error_of_the_device(number):
    timeline = make_timeline("dance.mp4", {"zumba": [0.5, 0.5]})
    logits = timeline.logits.copy()
    logits[1, 7] = number

    with pytest.raises(DeviceError, match="CPU gave logits that are no numbers, in .*; try -D CPU"):
        replace(timeline, logits=logits)


@pytest.mark.parametrize("num_frames", [1, 20, 78, 79])
def test_a_short_video_has_one_position_with_its_classification(model, tmp_path, num_frames):
    levels = np.random.default_rng(1).integers(0, 255, num_frames)
    video = write_video(tmp_path / "short.mp4", [gray(level) for level in levels])

    timeline = model.timeline(video, SegmentSettings(enter=1e-6, leave=1e-6, min_seconds=0))

    assert timeline.num_positions == 1
    assert timeline.probabilities[0] == pytest.approx(model.classify(video).probabilities, abs=1e-6)
    assert timeline.start_seconds.tolist() == [0]
    assert timeline.end_seconds.tolist() == [num_frames / 25]
    assert timeline.times_seconds.tolist() == [num_frames / 50]
    assert {each.end_seconds for each in timeline.segments} == {num_frames / 25}


@pytest.mark.parametrize("num_frames", [20, 250])
def test_a_timeline_names_what_it_was_made_with(model, tmp_path, num_frames):
    video = write_video(tmp_path / "video.mp4", [gray(50)] * num_frames)

    network = model.timeline(video).network

    (features,) = model.features_all([video])
    assert network == features.network
    assert (network.inference_precision, network.device) == ("f32", "CPU")


@pytest.mark.parametrize(("num_frames", "expected"), [(20, {"clip"}), (250, {"dense"})])
def test_only_the_network_that_a_video_needs_is_compiled(tmp_path, num_frames, expected):
    video = write_video(tmp_path / "video.mp4", [gray(50)] * num_frames)
    path = save_small_i3d(tmp_path / "small.xml")
    networks = Networks(path, NetworkOptions(inference_precision="f32", cache=False))

    list(infer_timelines(networks, [video]))

    assert {"clip", "dense"} & set(vars(networks)) == expected


def test_segments_are_found_by_the_settings(model, flicker):
    best = model.classify(flicker).predictions[0]
    settings = SegmentSettings(
        enter=best.probability / 4, leave=best.probability / 8, labels=(best.label,), min_seconds=0
    )

    timeline = model.timeline(flicker, settings)

    assert timeline.settings == settings
    assert {each.label for each in timeline.segments} == {best.label}
    for each in timeline.segments:
        inside = timeline.start_seconds >= each.start_seconds
        inside &= timeline.end_seconds <= each.end_seconds
        assert timeline.probabilities[inside, best.index].max() == pytest.approx(each.peak_score)


def test_other_settings_give_the_segments_of_a_new_timeline(model, flicker):
    label = model.classify(flicker).predictions[0].label
    settings = SegmentSettings(enter=1e-3, leave=1e-4, min_seconds=0, labels=[label])

    found = model.timeline(flicker).with_settings(settings)

    assert found == model.timeline(flicker, settings)
    assert found.segments
    assert found.settings.labels == (label,)


@pytest.mark.parametrize("num_frames", [*range(80, 97), 250, 1000])
def test_positions_stand_for_the_time_around_the_middle_of_what_they_see(num_frames):
    count = count_logits(num_frames)

    times, edges = position_seconds(count, num_frames, padded_as=num_frames)

    assert len(times) == count
    assert len(edges) == count + 1
    assert edges[0] == 0
    assert edges[-1] == num_frames / 25
    assert np.diff(edges[1:-1]) == pytest.approx(8 / 25)
    for time, start, end in zip(times, edges, edges[1:], strict=False):
        assert start <= time < end
    spans = [receptive_span(position, num_frames) for position in range(count)]
    for time, (first, stop) in zip(times, spans, strict=True):
        if first > 0 and stop < num_frames:
            assert time == pytest.approx((first + stop) / 2 / 25)
    assert all(one < other for one, other in pairwise(times))


def test_a_bad_video_does_not_end_the_others(model, flicker, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")

    one, error, other = model.timeline_all([flicker, broken, flicker])

    assert isinstance(error, VideoError)
    assert str(broken) in str(error)
    assert np.array_equal(one.logits, other.logits)


def test_a_bad_video_is_raised_when_it_is_the_only_one(model, tmp_path):
    with pytest.raises(VideoError, match=r"missing\.mp4"):
        model.timeline(tmp_path / "missing.mp4")


def test_a_single_path_is_no_list_of_videos(model):
    with pytest.raises(TypeError, match="expected a list of paths; use timeline for one"):
        model.timeline_all("cricket.mp4")
