import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import openvino
import pytest

from i3d_rgb_tf import classify, load_model, reading
from i3d_rgb_tf.classify import Model, classify_while_loading, find_model
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.clips import center_crop, split_clips
from i3d_rgb_tf.errors import ModelError, VideoError
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.verify import waves_clip
from i3d_rgb_tf.video import read_frames
from processes import without_coverage

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


def test_predict_gives_the_golden_probabilities(model):
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


_LOAD = "import sys; from i3d_rgb_tf import load_model; load_model(sys.argv[1], {})"
_F32 = {"inference_precision": "f32"}


@pytest.mark.parametrize(
    ("options", "from_cache"),
    [
        ({**_F32, "cache": False}, False),
        ({**_F32, "cache": False, "performance_hint": "THROUGHPUT"}, False),
        (_F32, True),
        ({**_F32, "performance_hint": "THROUGHPUT"}, True),
    ],
    ids=["latency", "throughput", "latency, cached", "throughput, cached"],
)
def test_many_videos_get_the_golden_answers_in_every_mode(
    model_root, spec, golden, options, from_cache, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = spec.ir_path(model_root, "FP32")
    if from_cache:
        arguments = ", ".join(f"{key}={value!r}" for key, value in options.items())
        subprocess.run([sys.executable, "-c", _LOAD.format(arguments), path], check=True)
    clips, expected = golden
    # A file would be scaled and so would be another clip.
    monkeypatch.setattr(reading, "read_frames", lambda path: iter(clips[path.name]))
    model = load_model(path, **options)

    found = list(model.classify_all(["waves", "cricket"], top_k=1))

    assert model.compiled.get_property("LOADED_FROM_CACHE") is from_cache
    assert [each.video for each in found] == ["waves", "cricket"]
    assert found[1].predictions[0].label == "playing cricket"
    for each in found:
        assert each.num_clips == 1
        assert np.abs(each.probabilities - expected[each.video]).max() <= 1e-5


def test_bytes_give_the_answers_of_floats(model, model_root, spec, golden):
    clips, expected = golden
    properties = {"INFERENCE_PRECISION_HINT": "f32"}
    floats = openvino.Core().compile_model(spec.ir_path(model_root, "FP32"), "CPU", properties)
    clip = clips["cricket"].transpose(0, 3, 1, 2)[np.newaxis].astype(np.float32)

    from_floats, from_bytes = floats(clip)[0][0], model.predict(clips["cricket"])

    assert np.abs(from_floats - expected["cricket"]).max() <= 1e-5
    assert np.abs(from_bytes - expected["cricket"]).max() <= 1e-5


def test_a_video_is_the_mean_of_its_clips(model, basketball):
    frames = list(read_frames(basketball))
    clips = list(split_clips(center_crop(frame, 224) for frame in frames))
    expected = np.mean([model.predict(clip) for clip in clips], axis=0)

    found = model.classify(basketball, top_k=3)

    assert (found.num_frames, found.num_clips, found.duration_seconds) == (120, 2, 4.8)
    assert found.weights == "rgb_scratch"
    assert found.predictions[0].label == "shooting basketball"
    assert len(found.predictions) == 3
    assert np.abs(found.probabilities - expected).max() <= 1e-6
    for prediction in found.predictions:
        assert prediction.label == load_labels()[prediction.index]
        assert prediction.probability == found.probabilities[prediction.index]


@pytest.mark.parametrize(
    "clip", [np.zeros((79, 224, 224, 3)), np.zeros((64, 224, 224, 3), np.uint8)]
)
def test_a_clip_of_another_kind_is_refused(model, clip):
    with pytest.raises(ModelError, match=r"expected \(79, 224, 224, 3\) uint8, RGB"):
        model.predict(clip)


@pytest.mark.parametrize("top_k", [0, 401])
def test_top_k_has_a_range(model, top_k):
    with pytest.raises(ValueError, match=f"top_k is {top_k}, expected 1..400"):
        model.classify("any.mp4", top_k=top_k)
    with pytest.raises(ValueError, match=f"top_k is {top_k}, expected 1..400"):
        next(classify_while_loading(lambda: model, ["any.mp4"], top_k=top_k))


def test_equal_probabilities_come_in_the_order_of_the_labels():
    best = classify._best(np.tile(np.float32([0, 1 / 200]), 200), 400)

    assert [each.index for each in best] == [*range(1, 400, 2), *range(0, 400, 2)]


def test_a_video_that_cannot_be_read_is_raised(model, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")

    with pytest.raises(VideoError, match="cannot read"):
        model.classify(broken)


class OneStream:
    """A device that is done with a clip when somebody waits for it; all are action 7."""

    def __init__(self, events):
        self.events = events

    def get_property(self, name):
        return {"OPTIMAL_NUMBER_OF_INFER_REQUESTS": 1}[name]

    def create_infer_request(self):
        return OneStream(self.events)

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
        return openvino.Tensor(np.eye(400, dtype=np.float32)[[7]])


def test_a_video_is_decoded_while_the_last_clips_of_another_are_inferred(monkeypatch):
    events = []

    def read(path):
        events.append(f"open {path}")
        for _ in range(79):
            yield np.full((224, 224, 3), int(path.name), np.uint8)
        if path.name == "2":
            raise VideoError("2 was cut")

    monkeypatch.setattr(reading, "read_frames", read)
    model = Model(Path("x.xml"), "unknown", OneStream(events))

    results = model.classify_all(map(str, range(1, 10)), top_k=1)
    first, second, third = (next(results) for _ in range(3))

    assert (first.video, first.num_frames, first.predictions[0].index) == ("1", 79, 7)
    assert isinstance(second, VideoError)
    assert (third.video, third.predictions[0].probability) == ("3", 1.0)
    assert events[:6] == ["open 1", "infer 1", "open 2", "infer 2", "open 3", "wait"]
    # No further than a clip ahead, however many videos there are.
    assert "open 5" in events
    assert "open 6" not in events


def test_the_first_video_is_read_while_the_model_is_loaded(tmp_path):
    is_read = threading.Event()

    def videos():
        is_read.set()
        yield tmp_path / "none.mp4"

    def load():
        assert is_read.wait(timeout=30)
        return Model(Path("x.xml"), "unknown", OneStream([]))

    (result,) = classify_while_loading(load, videos())
    assert isinstance(result, VideoError)

    with pytest.raises(ModelError, match="no model at"):
        list(classify_while_loading(lambda: load_model(tmp_path / "x.xml"), videos()))


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupt_while_the_first_video_is_read_leaves_no_thread(error):
    loaded = threading.Event()

    def videos():
        raise error
        yield

    def load():
        loaded.set()
        return Model(Path("x.xml"), "unknown", OneStream([]))

    with pytest.raises(error):
        next(classify_while_loading(load, videos()))

    assert loaded.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("load")]


def test_an_answer_is_shown_before_the_last_video_is_read(model_root, basketball):
    videos = [basketball] * 3
    command = [sys.executable, "-m", "i3d_rgb_tf", "classify", *videos, "-d", model_root]
    environment = {**without_coverage(), "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        answers = [process.stdout.readline()]
        process.kill()
        answers += process.stdout.readlines()

    assert sum(str(basketball).encode() in line for line in answers) in (1, 2)


def test_fp16_is_preferred_in_a_tree(model_root, spec, tmp_path):
    assert find_model(model_root) == spec.ir_path(model_root, "FP16")
    with pytest.raises(ModelError, match="no converted model in .*; make one with: i3d-rgb-tf"):
        find_model(tmp_path)


def test_json_has_the_promised_fields_and_a_bad_video_does_not_stop_the_rest(
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
        "num_clips",
        "weights",
        "model",
        "predictions",
    ]
    assert result == again
    assert result["video"] == str(basketball)
    assert list(result["predictions"][0]) == ["label", "index", "probability"]
    assert len(result["predictions"]) == 5


def test_an_empty_folder_does_not_stop_the_rest(model_root, basketball, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()

    assert main(["classify", str(empty), str(basketball), "-d", str(model_root)]) == 1
    said = capsys.readouterr()
    assert said.out.startswith(f"{basketball}: ")
    assert said.err.startswith(f"i3d-rgb-tf: error: {empty} holds no video; expected")
    assert main(["classify", str(empty), "-d", str(model_root)]) == 1
    assert capsys.readouterr().out == ""


def test_text_is_for_people(model_root, basketball, capsys):
    assert main(["classify", str(basketball), "-d", str(model_root), "--top-k", "1"]) == 0

    head, first = capsys.readouterr().out.splitlines()
    assert head == f"{basketball}: 4.8 s, 120 frames, 2 clips, weights rgb_scratch"
    assert first.endswith("  shooting basketball")


@pytest.mark.parametrize("top_k", ["0", "401", "x"])
def test_a_wrong_top_k_is_wrong_usage(top_k, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["classify", "a.mp4", "--top-k", top_k])
    assert caught.value.code == 2
    assert "is not a number from 1 to 400" in capsys.readouterr().err


def test_classifying_a_video_imports_nothing_slow_that_it_does_not_need(model_root, basketball):
    program = (
        "import sys; from i3d_rgb_tf.cli import main; status = main(sys.argv[1:])\n"
        "sys.exit(status or not sys.modules.keys().isdisjoint(['tensorflow', 'nncf', 'tqdm']))"
    )
    command = [sys.executable, "-c", program, "classify", basketball, "-d", model_root]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
