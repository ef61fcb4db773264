"""Videos are classified in order, one bad video does not stop the others, results are printed."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import openvino
import pytest

from i3d_rgb_tf import load_model
from i3d_rgb_tf import model as model_module
from i3d_rgb_tf.classify import classify_while_loading
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import DatasetError, ModelError, VideoError
from i3d_rgb_tf.inference.dense import CHUNK_FRAMES
from i3d_rgb_tf.inference.networks import Network
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import find_model, read_ir
from i3d_rgb_tf.ir.winograd.rewrite import rewrite
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.model import Model
from i3d_rgb_tf.reference import waves_clip
from i3d_rgb_tf.video import clips as video_clips
from i3d_rgb_tf.video.clips import center_crop
from i3d_rgb_tf.video.decode import read_frames
from networks import save_convolution_network
from videos import gray, write_video

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def model(model_root, spec):
    return load_model(spec.ir_path(model_root, "FP32"), inference_precision="f32", cache=False)


@pytest.fixture(scope="module")
def cricket(shared_folder):
    return shared_folder / "v_CricketShot_g04_c01_rgb.gif"


@pytest.fixture(scope="module")
def basketball(shared_folder):
    return shared_folder / "clips" / "gluoncv_basketball.gif"


def test_predict_returns_the_golden_probabilities(model):
    expected = np.load(DATA / "waves.npz")["probabilities"]

    found = model.predict(waves_clip())

    assert found.shape == (400,)
    assert np.abs(found - expected).max() <= 1e-5


@pytest.fixture(scope="module")
def golden(cricket):
    """Return the clips of the golden references by name, and their probabilities."""
    frames = np.stack(list(read_frames(cricket, frames_per_second=None, short_side=None)))
    clips = {"waves": waves_clip(), "cricket": frames}
    references = {name: np.load(DATA / f"{name}.npz") for name in clips}
    return clips, {name: each["probabilities"] for name, each in references.items()}


_LOAD = "import sys; from i3d_rgb_tf import load_model; load_model(sys.argv[1], {}).networks.clip"
_F32 = {"inference_precision": "f32"}


@pytest.mark.parametrize(
    ("options", "from_cache"),
    [
        ({**_F32, "cache": False}, False),
        ({**_F32, "cache": False, "winograd": False}, False),
        ({**_F32, "cache": False, "performance_hint": "THROUGHPUT"}, False),
        (_F32, True),
        ({**_F32, "performance_hint": "THROUGHPUT"}, True),
    ],
    ids=["latency", "direct", "throughput", "latency, cached", "throughput, cached"],
)
def test_many_videos_get_the_golden_probabilities_in_every_mode(
    model_root, spec, golden, options, from_cache, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, logger="i3d_rgb_tf")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = spec.ir_path(model_root, "FP32")
    if from_cache:
        arguments = ", ".join(f"{key}={value!r}" for key, value in options.items())
        subprocess.run([sys.executable, "-c", _LOAD.format(arguments), path], check=True)
    clips, expected = golden
    # A file would be scaled and so would be another clip.
    monkeypatch.setattr(video_clips, "read_frames", lambda path: iter(clips[path.name]))
    model = load_model(path, **options)

    found = list(model.classify_all(["waves", "cricket"], top_k=1))

    assert ("loaded the compiled model" in caplog.text) is from_cache
    assert [each.video for each in found] == ["waves", "cricket"]
    assert found[1].predictions[0].label == "playing cricket"
    for each in found:
        assert each.num_positions == 9
        assert np.abs(each.probabilities - expected[each.video]).max() <= 1e-5


def test_uint8_and_float32_frames_give_the_same_predictions(model, model_root, spec, golden):
    clips, expected = golden
    properties = {"INFERENCE_PRECISION_HINT": "f32"}
    floats = openvino.Core().compile_model(spec.ir_path(model_root, "FP32"), "CPU", properties)
    clip = clips["cricket"].transpose(0, 3, 1, 2)[np.newaxis].astype(np.float32)

    from_floats, from_bytes = floats(clip)[0][0], model.predict(clips["cricket"])

    assert np.abs(from_floats - expected["cricket"]).max() <= 1e-5
    assert np.abs(from_bytes - expected["cricket"]).max() <= 1e-5


def test_the_probabilities_of_a_video_are_those_of_one_pass(model, model_root, spec, basketball):
    frames = np.stack([center_crop(frame, 224) for frame in read_frames(basketball)])
    whole = read_ir(spec.ir_path(model_root, "FP32"))
    whole.reshape([1, len(frames), 3, 224, 224])
    expected = compile_model(whole, "CPU", "f32", convolution="direct", cache=False)(frames[None])

    found = model.classify(basketball, top_k=3)

    assert (found.num_frames, found.num_positions, found.duration_seconds) == (120, 14, 4.8)
    assert found.weights == "rgb_scratch"
    assert found.predictions[0].label == "shooting basketball"
    assert len(found.predictions) == 3
    assert np.abs(found.probabilities - expected[0][0]).max() <= 1e-5
    for prediction in found.predictions:
        assert prediction.label == load_labels()[prediction.index]
        assert prediction.probability == found.probabilities[prediction.index]


def test_frames_get_the_probabilities_of_their_file(model, basketball):
    expected = model.classify(basketball, top_k=3)

    found = model.classify_frames(read_frames(basketball), frames_per_second=25, top_k=3)

    assert found == replace(expected, video="")
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_frames_that_opencv_decodes_get_the_probabilities_of_their_file(model, shared_folder):
    video = shared_folder / "clips" / "omz_action_recognition.gif"
    capture = cv2.VideoCapture(str(video))
    rate = capture.get(cv2.CAP_PROP_FPS)

    def frames():
        while (found := capture.read())[0]:
            yield found[1][..., ::-1]

    expected = model.classify(video)
    found = model.classify_frames(frames(), frames_per_second=rate)

    assert rate == pytest.approx(50 / 3)
    assert found.predictions[0].label == "texting"
    assert found == replace(expected, video="")
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


@pytest.mark.parametrize(
    "clip", [np.zeros((79, 224, 224, 3)), np.zeros((64, 224, 224, 3), np.uint8)]
)
def test_a_clip_of_another_shape_or_type_is_refused(model, clip):
    with pytest.raises(ModelError, match=r"expected \(79, 224, 224, 3\) uint8, RGB"):
        model.predict(clip)


@pytest.mark.parametrize("top_k", [0, 401])
def test_top_k_out_of_range_is_refused(model, top_k):
    with pytest.raises(ValueError, match=f"top_k is {top_k}, expected 1..400"):
        model.classify("any.mp4", top_k=top_k)
    with pytest.raises(ValueError, match=f"top_k is {top_k}, expected 1..400"):
        next(classify_while_loading(lambda: model.networks, ["any.mp4"], top_k=top_k))
    with pytest.raises(ValueError, match=f"top_k is {top_k}, expected 1..400"):
        model.classify_frames([], frames_per_second=25, top_k=top_k)


def test_classify_raises_the_error_of_a_video_that_cannot_be_read(model, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")

    with pytest.raises(VideoError, match="cannot read"):
        model.classify(broken)


class OneStream:
    """A device that finishes a clip when it is waited for; by default each is action 7."""

    def __init__(self, events, probabilities=None):
        self.events = events
        self.probabilities = np.eye(400)[7] if probabilities is None else probabilities

    def get_property(self, name):
        return {"OPTIMAL_NUMBER_OF_INFER_REQUESTS": 1, "EXECUTION_DEVICES": ["CPU"]}[name]

    def create_infer_request(self):
        return OneStream(self.events, self.probabilities)

    def start_async(self, inputs, share_inputs):
        self.events.append(f"infer {inputs[0][0, 0, 0, 0, 0]}")

    def wait_for(self, milliseconds):
        if milliseconds:
            self.wait()
        return milliseconds > 0

    def cancel(self):
        self.events.append("cancel")

    def wait(self):
        self.events.append("wait")

    def get_output_tensor(self, index):
        return openvino.Tensor(np.float32([self.probabilities]))


class ChunkStream(OneStream):
    """A device that takes chunks of frames; nothing is carried over."""

    inputs = outputs = ()

    def input(self, index):
        shapes = [(1, 6 + CHUNK_FRAMES, 224, 224, 3), (56 + CHUNK_FRAMES,)]
        return SimpleNamespace(shape=shapes[index])

    def output(self, index):
        return SimpleNamespace(shape=(1, CHUNK_FRAMES // 8, 1424))

    def create_infer_request(self):
        return ChunkStream(self.events)

    def get_output_tensor(self, index):
        return openvino.Tensor(np.zeros(self.output(0).shape, np.float32))


def fake_networks(events, **options):
    return SimpleNamespace(
        path=Path("x.xml"),
        weights="unknown",
        convolution="direct",
        clip=Network(OneStream(events, **options), "direct"),
        dense=Network(ChunkStream(events), "direct"),
    )


def fake_model(events, **options):
    return Model(fake_networks(events, **options))


def read_one_clip(path):
    """Stand in for the decoder: a clip whose pixels are the number that is the file's name."""
    for _ in range(79):
        yield np.full((224, 224, 3), int(path.name), np.uint8)


def test_equal_probabilities_are_in_the_order_of_the_labels(monkeypatch):
    monkeypatch.setattr(video_clips, "read_frames", read_one_clip)
    model = fake_model([], probabilities=np.tile([0, 1 / 200], 200))

    found = model.classify("1", top_k=400).predictions

    assert [each.index for each in found] == [*range(1, 400, 2), *range(0, 400, 2)]


def test_the_next_video_is_decoded_while_one_is_inferred(monkeypatch):
    events = []

    def read(path):
        events.append(f"open {path}")
        yield from read_one_clip(path)
        if path.name == "2":
            raise VideoError("2 was cut")

    monkeypatch.setattr(video_clips, "read_frames", read)

    results = fake_model(events).classify_all(map(str, range(1, 10)), top_k=1)
    first, second, third = (next(results) for _ in range(3))

    assert (first.video, first.num_frames, first.predictions[0].index) == ("1", 79, 7)
    assert isinstance(second, VideoError)
    assert (third.video, third.predictions[0].probability) == ("3", 1.0)
    assert events[:7] == ["open 1", "infer 1", "open 2", "open 3", "infer 3", "open 4", "wait"]
    # No further than a clip ahead, however many videos there are.
    assert "open 5" in events
    assert "open 6" not in events


def test_frames_are_taken_while_the_device_infers():
    events = []
    taken = []

    def frames():
        for index in range(2 * 800):
            taken.append(index)
            yield np.full((256, 256, 3), index // 160, np.uint8)

    class Watched(list):
        def append(self, event):
            events.append((event, len(taken) // 2))

    found = fake_model(Watched()).classify_frames(frames(), frames_per_second=50)

    assert (found.num_positions, found.num_frames, found.video) == (99, 800, "")
    # Until it is known that the video is long, frames are held. Then each chunk is on the device
    # when its frames are taken.
    started = [number for event, number in events if event.startswith("infer")]
    assert started[:4] == [385, 385, 385, 385]
    assert started[4:10] == [400, 480, 560, 640, 720, 800]


def test_no_frames_are_an_error():
    with pytest.raises(VideoError, match="the video has no frames, expected at least 1"):
        fake_model([]).classify_frames([], frames_per_second=25)


def test_the_path_of_a_file_is_not_frames():
    for path in ("video.mp4", Path("video.mp4")):
        with pytest.raises(TypeError, match=r"frames is .*video.mp4'.*; use classify for a file"):
            fake_model([]).classify_frames(path, frames_per_second=25)


def test_the_frame_rate_of_frames_is_required_and_checked_first():
    with pytest.raises(TypeError, match="frames_per_second"):
        fake_model([]).classify_frames([])
    with pytest.raises(ValueError, match="frames_per_second is 0.0, expected a finite number"):
        fake_model([]).classify_frames(iter([None]), frames_per_second=0.0)


@pytest.mark.parametrize("num_frames", [0, 200])
@pytest.mark.parametrize("kind", [OSError, VideoError, DatasetError, KeyboardInterrupt])
def test_an_error_of_the_frames_themselves_is_raised_unchanged(kind, num_frames):
    error = kind("the camera is gone")

    def frames():
        yield from [np.zeros((256, 256, 3), np.uint8)] * num_frames
        raise error

    with pytest.raises(kind) as caught:
        fake_model([]).classify_frames(frames(), frames_per_second=25)

    assert caught.value is error


def test_the_first_video_is_read_while_the_model_is_loaded(tmp_path):
    is_read = threading.Event()

    def videos():
        is_read.set()
        yield tmp_path / "none.mp4"

    def load():
        assert is_read.wait(timeout=30)
        return fake_networks([])

    (result,) = classify_while_loading(load, videos())
    assert isinstance(result, VideoError)

    with pytest.raises(ModelError, match="no model at"):
        list(classify_while_loading(lambda: load_model(tmp_path / "x.xml").networks, videos()))


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupt_during_the_first_read_leaves_no_thread(error):
    loaded = threading.Event()

    def videos():
        raise error
        yield

    def load():
        loaded.set()
        return fake_networks([])

    with pytest.raises(error):
        next(classify_while_loading(load, videos()))

    assert loaded.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("load")]


def test_a_result_is_printed_before_the_last_video_is_read(monkeypatch, tmp_path):
    names = ["1", "2", "3", "4", "5"]
    printed = tmp_path / "printed"
    seen = []

    def read(path):
        seen.append(printed.read_text(encoding="utf-8"))
        yield from read_one_clip(path)

    monkeypatch.setattr(video_clips, "read_frames", read)
    monkeypatch.setattr(model_module, "load_model", lambda *_, **__: fake_model([]))

    # Like a pipe, a file gets nothing before it is flushed.
    with printed.open("w", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdout", file)
        assert main(["classify", *names]) == 0

    assert seen[0] == ""
    assert seen[-1].startswith("1: 3.2 s, 79 frames")
    assert [f"\n{name}: " in f"\n{seen[-1]}" for name in names] == [True, True, False, False, False]


def test_load_model_prefers_fp16_in_a_tree(model_root, spec, tmp_path):
    assert load_model(directory=model_root, cache=False).path == spec.ir_path(model_root, "FP16")
    assert find_model(model_root) == spec.ir_path(model_root, "FP16")
    with pytest.raises(ModelError, match="no converted model in .*; make one with: i3d-rgb-tf"):
        load_model(directory=tmp_path)


def test_json_has_the_documented_fields_and_a_bad_video_does_not_stop_the_others(
    model_root, basketball, tmp_path, capsys
):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")

    videos = [str(basketball), str(broken), str(basketball)]
    options = ["-d", str(model_root), "--performance-hint", "throughput", "--format", "json"]

    status = main(["classify", *videos, *options])

    out, err = capsys.readouterr()
    result, again = json.loads(out)
    assert status == 1
    assert f"i3d-rgb-tf: error: cannot read {broken}" in err
    assert list(result) == [
        "video",
        "num_frames",
        "duration_seconds",
        "num_positions",
        "weights",
        "model",
        "convolution",
        "predictions",
    ]
    assert result == again
    assert result["video"] == str(basketball)
    assert list(result["predictions"][0]) == ["label", "index", "probability"]
    assert len(result["predictions"]) == 5


@pytest.fixture
def convolutions(tmp_path, monkeypatch):
    """Return an IR with a convolution, on a processor where its rewrite is measured to win."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    return save_convolution_network(tmp_path / "small.xml")


def test_a_rewritten_model_says_so_and_leaves_its_files_as_they_are(convolutions):
    def files():
        return {
            path.name: path.read_bytes() for path in convolutions.parent.iterdir() if path.is_file()
        }

    before = files()

    models = [
        load_model(convolutions, **_F32),
        load_model(convolutions, **_F32, winograd=False),
        load_model(convolutions, **_F32, cache=False),
    ]
    found = [model.classify_frames([gray(99)], frames_per_second=25) for model in models]

    expected = ["winograd", "direct", "winograd"]
    assert [model.convolution for model in models] == expected
    assert [each.convolution for each in found] == expected
    direct = found[1].probabilities
    assert max(np.abs(each.probabilities - direct).max() for each in found) <= 1e-5
    assert before.keys() == {"small.xml", "small.bin"}
    assert files() == before


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--inference-precision", "f32"], "winograd"),
        (["--inference-precision", "f32", "--no-winograd"], "direct"),
    ],
)
def test_json_says_how_convolutions_were_computed(
    convolutions, tmp_path, capsys, monkeypatch, options, expected
):
    used = []

    def spy(model):
        used.append("winograd")
        return rewrite(model)

    monkeypatch.setattr("i3d_rgb_tf.ir.compile.rewrite", spy)
    video = write_video(tmp_path / "gray.mp4", [gray(127)] * 3)

    arguments = ["classify", "-m", str(convolutions), str(video), "--format", "json", *options]
    assert main(arguments) == 0

    (result,) = json.loads(capsys.readouterr().out)
    assert result["convolution"] == expected
    assert used == (["winograd"] if expected == "winograd" else [])


def test_an_empty_folder_does_not_stop_the_other_videos(model_root, basketball, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()

    assert main(["classify", str(empty), str(basketball), "-d", str(model_root)]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{basketball}: ")
    assert printed.err.startswith(f"i3d-rgb-tf: error: {empty} holds no video; expected")
    assert main(["classify", str(empty), "-d", str(model_root)]) == 1
    assert capsys.readouterr().out == ""


def test_text_names_the_video_and_its_actions(model_root, basketball, capsys):
    assert main(["classify", str(basketball), "-d", str(model_root), "--top-k", "1"]) == 0

    head, first = capsys.readouterr().out.splitlines()
    assert head == f"{basketball}: 4.8 s, 120 frames, 14 positions, weights rgb_scratch"
    assert first.endswith("  shooting basketball")


@pytest.mark.parametrize("top_k", ["0", "401", "x"])
def test_an_invalid_top_k_is_wrong_usage(top_k, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["classify", "a.mp4", "--top-k", top_k])
    assert caught.value.code == 2
    assert f"got {top_k!r}, expected a number from 1 to 400" in capsys.readouterr().err


def test_classifying_a_video_imports_no_slow_module_that_it_does_not_need(model_root, basketball):
    program = (
        "import sys; from i3d_rgb_tf.cli import main; status = main(sys.argv[1:])\n"
        "sys.exit(status or not sys.modules.keys().isdisjoint(['tensorflow', 'nncf', 'tqdm']))"
    )
    command = [sys.executable, "-c", program, "classify", basketball, "-d", model_root]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_single_path_is_not_a_list_of_videos():
    with pytest.raises(TypeError, match="expected a list of paths; use classify for one"):
        fake_model([]).classify_all("a.mp4")
