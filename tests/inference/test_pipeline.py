"""Videos through a compiled model: in order, in bounded memory, each with its own errors."""

from __future__ import annotations

import gc
import threading
import weakref
from dataclasses import fields

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf.errors import DatasetError, DeviceError, VideoError
from i3d_rgb_tf.inference.pipeline import (
    OutputList,
    VideoInput,
    VideoOutputs,
    infer_in_order,
    infer_videos,
    read_videos,
)
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import read_ir
from networks import LABEL_WEIGHTS, gray_clip, save_small_network


@pytest.fixture(scope="module")
def double():
    """Return a network that takes any number of values and gives twice their mean."""
    values = operations.parameter([1, -1], np.float32)
    mean = operations.reduce_mean(values, np.int64(1), keep_dims=True)
    model = openvino.Model([operations.multiply(mean, np.float32(2))], [values], "double")
    return openvino.Core().compile_model(model, "CPU")


class FakeRequest:
    """Is done when it is waited for, or when `done` is set."""

    def __init__(self, events):
        self.events = events
        self.done = False

    def start_async(self, inputs, share_inputs):
        self.values = inputs[0]
        self.done = False
        self.waited = 0
        self.events.append(f"start {self.values.item():.0f}")

    def wait_for(self, milliseconds):
        if milliseconds:
            assert milliseconds <= 200, "Ctrl-C would not be seen"
            self.waited += 1
            if self.waited == 2:
                self.wait()
        return self.done or self.waited == 2

    def cancel(self):
        self.events.append(f"cancel {self.values.item():.0f}")

    def wait(self):
        self.events.append(f"wait {self.values.item():.0f}")

    def get_output_tensor(self, index):
        return openvino.Tensor(self.values.copy())


class FakeCompiled:
    """A device that works on `num_streams` inputs at once."""

    def __init__(self, num_streams):
        self.num_streams = num_streams
        self.events = []
        self.requests = []

    def get_property(self, name):
        return {
            "OPTIMAL_NUMBER_OF_INFER_REQUESTS": self.num_streams,
            "EXECUTION_DEVICES": ["GPU.0"],
        }[name]

    def create_infer_request(self):
        self.requests.append(FakeRequest(self.events))
        return self.requests[-1]


def _values(*numbers):
    return np.array(numbers, np.float32)


# infer_in_order


def test_outputs_are_in_order_also_between_tags_without_an_input(double):
    inputs = [("a", _values(1)), ("b", _values(2, 4)), ("-", None), ("c", _values(5)), ("+", None)]

    found = list(infer_in_order(double, inputs))

    assert [tag for tag, _ in found] == ["a", "b", "-", "c", "+"]
    assert [None if output is None else output.tolist() for _, output in found] == [
        [2.0],
        [6.0],
        None,
        [10.0],
        None,
    ]


@pytest.mark.parametrize("num_streams", [1, 4])
def test_the_device_always_has_one_input_more_than_it_works_on(num_streams):
    compiled = FakeCompiled(num_streams)

    def inputs():
        for index in range(10):
            compiled.events.append(f"read {index}")
            yield index, _values(index)

    outputs = infer_in_order(compiled, inputs())

    assert next(outputs)[0] == 0
    first = [f"{what} {index}" for index in range(num_streams + 1) for what in ("read", "start")]
    assert compiled.events == [*first, f"read {num_streams + 1}", "wait 0"]
    assert [tag for tag, _ in outputs] == list(range(1, 10))
    assert len(compiled.requests) == num_streams + 1


def test_inputs_after_a_tag_without_one_are_read_while_those_before_it_are_inferred():
    compiled = FakeCompiled(1)
    inputs = iter([("a", _values(0)), ("end of a", None), ("b", _values(1)), ("end of b", None)])

    found = [tag for tag, _ in infer_in_order(compiled, inputs)]

    assert compiled.events == ["start 0", "start 1", "wait 0", "wait 1"]
    assert found == ["a", "end of a", "b", "end of b"]


def test_a_finished_output_is_given_before_the_next_input_is_read():
    compiled = FakeCompiled(1)

    def inputs():
        yield 0, _values(0)
        compiled.requests[1].done = True
        yield "end", None
        compiled.events.append("read 1")
        yield 1, _values(1)

    outputs = infer_in_order(compiled, inputs())

    assert [next(outputs)[0], next(outputs)[0]] == [0, "end"]
    assert "read 1" not in compiled.events
    outputs.close()


def _most_alive(double, infer):
    """Return how many of 20 inputs are alive at once, at most, and how many at the end."""
    alive = []
    most = 0

    def inputs():
        nonlocal most
        for index in range(20):
            array = _values(index)
            alive.append(weakref.ref(array))
            gc.collect(0)
            most = max(most, sum(each() is not None for each in alive))
            yield index, array

    outputs = infer(double, inputs())
    gc.collect()
    assert len(alive) == 20
    assert len(outputs) == 20
    return most, sum(each() is not None for each in alive)


def test_memory_does_not_grow_with_the_inputs(double):
    most, left = _most_alive(double, lambda *arguments: list(infer_in_order(*arguments)))

    # Two run, one is read, one stays in a request until that gets another.
    assert most <= 4
    assert left == 0


def test_a_generator_that_is_closed_cancels_what_runs_and_waits_for_it():
    compiled = FakeCompiled(2)
    outputs = infer_in_order(compiled, ((index, _values(index)) for index in range(9)))

    assert next(outputs)[0] == 0
    outputs.close()

    assert compiled.events[-5:] == ["wait 0", "cancel 1", "cancel 2", "wait 1", "wait 2"]


def test_a_model_gives_the_same_outputs_after_a_generator_was_closed(tmp_path):
    compiled = compile_model(read_ir(save_small_network(tmp_path / "small.xml")), cache=False)
    clip = gray_clip(100)

    outputs = infer_in_order(compiled, ((index, clip) for index in range(9)))
    next(outputs)
    outputs.close()

    found = list(infer_in_order(compiled, [(0, clip), (1, clip)]))
    assert [tag for tag, _ in found] == [0, 1]
    for _, output in found:
        assert output == pytest.approx(100 * LABEL_WEIGHTS, abs=1e-4)


def test_a_device_that_fails_is_one_line(double):
    with pytest.raises(DeviceError, match="the device failed: .*; the model may be damaged"):
        list(infer_in_order(double, [("x", np.zeros((3, 3), np.float32))]))


class BrokenRequest(FakeRequest):
    """Fails when asked whether it is done, if `events` say so, else when waited for."""

    def wait_for(self, milliseconds):
        if milliseconds:
            self.wait()
        if "wait_for" in self.events:
            raise RuntimeError("lost while asked")
        return False

    def cancel(self):
        raise RuntimeError("not cancelled")

    def wait(self):
        raise RuntimeError("lost while waited for")


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (["wait_for"], "^the device failed: lost while asked; try -D CPU$"),
        ([], "^the device failed: lost while waited for; try -D CPU$"),
    ],
)
def test_a_device_that_fails_during_inference_is_one_line(events, message, monkeypatch):
    compiled = FakeCompiled(1)
    monkeypatch.setattr(compiled, "create_infer_request", lambda: BrokenRequest(events))

    with pytest.raises(DeviceError, match=message):
        list(infer_in_order(compiled, ((index, _values(index)) for index in range(3))))


# read_videos and infer_videos

VIDEOS = {"a": [1, 2, 3], "broken": [4, VideoError("broken was cut")], "c": [5], "d": [6, 7]}
"""What each video gives: numbers, and an error where it breaks off."""


def read(video):
    for number in VIDEOS[video]:
        if isinstance(number, Exception):
            raise number
        yield f"{video} {number}", _values(number)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_inputs_of_each_video_are_followed_by_its_end(workers):
    found = list(read_videos(["a", "broken", "c"], read, workers=workers))

    assert [(each.video, each.tag) for each in found] == [
        ("a", "a 1"),
        ("a", "a 2"),
        ("a", "a 3"),
        ("a", None),
        ("broken", "broken 4"),
        ("broken", None),
        ("c", "c 5"),
        ("c", None),
    ]
    values = [None if each.frames is None else each.frames.tolist() for each in found]
    assert values == [[1], [2], [3], None, [4], None, [5], None]
    errors = [each.error for each in found]
    assert str(errors.pop(5)) == "broken was cut"
    assert set(errors) == {None}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_truncated_video_does_not_affect_the_others(double, workers):
    found = list(infer_videos(double, read_videos(VIDEOS, read, workers=workers), OutputList))

    assert [each.video for each in found] == ["a", "broken", "c", "d"]
    outputs = [[(tag, output.tolist()) for tag, output in each.outputs] for each in found]
    assert outputs == [
        [("a 1", [2.0]), ("a 2", [4.0]), ("a 3", [6.0])],
        [("broken 4", [8.0])],
        [("c 5", [10.0])],
        [("d 6", [12.0]), ("d 7", [14.0])],
    ]
    assert [each.error and str(each.error) for each in found] == [
        None,
        "broken was cut",
        None,
        None,
    ]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("error", [VideoError, DatasetError])
def test_a_video_without_any_input_has_its_error_and_no_outputs(double, error, workers):
    def read_nothing(video):
        raise error(f"no {video}")
        yield

    found = list(
        infer_videos(double, read_videos(["a", "b"], read_nothing, workers=workers), OutputList)
    )

    assert [(each.video, each.outputs) for each in found] == [("a", []), ("b", [])]
    assert [str(each.error) for each in found] == ["no a", "no b"]
    assert {type(each.error) for each in found} == {error}


@pytest.mark.parametrize("workers", [1, 2])
def test_other_errors_of_a_reader_are_raised(double, workers):
    def fail(video):
        yield video, _values(1)
        raise ZeroDivisionError("a mistake in the program")

    with pytest.raises(ZeroDivisionError, match="a mistake in the program"):
        list(infer_videos(double, read_videos(["a", "b"], fail, workers=workers), OutputList))


def test_the_next_video_is_read_while_the_last_input_of_one_is_inferred():
    compiled = FakeCompiled(1)

    def read_one(video):
        compiled.events.append(f"read {video}")
        yield None, _values(video)

    outputs = infer_videos(compiled, read_videos(range(9), read_one), OutputList)

    assert next(outputs).video == 0
    first = ["read 0", "start 0", "read 1", "start 1", "read 2", "wait 0", "start 2"]
    assert compiled.events == first
    outputs.close()


def test_the_outputs_of_a_video_are_given_as_soon_as_its_last_is_there():
    compiled = FakeCompiled(1)
    inputs = iter([VideoInput("a", _values(1), "first"), VideoInput("a")])

    def until_done():
        yield next(inputs)
        compiled.requests[1].done = True
        yield next(inputs)
        raise AssertionError("nothing more was to be read")

    outputs = infer_videos(compiled, until_done(), OutputList)

    assert next(outputs).video == "a"
    outputs.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_frames_are_released_as_soon_as_they_are_inferred(double, workers):
    def infer(compiled, inputs):
        # One video of 20 inputs; the reader of another waits with its first.
        sources = {"a": inputs, "b": iter(())}
        videos = read_videos(sources, sources.__getitem__, workers=workers)
        (first, second) = infer_videos(compiled, videos, OutputList)
        assert (first.video, second.video) == ("a", "b")
        return first.outputs

    most, left = _most_alive(double, infer)

    # As above; and one that is ready and one in the making where a thread reads.
    assert most <= 4 + 2 * (workers - 1)
    assert left == 0


def test_outputs_hold_no_frames(double):
    (found,) = infer_videos(double, read_videos(["c"], read), OutputList)

    assert [each.name for each in fields(VideoOutputs)] == ["video", "outputs", "error"]
    ((tag, output),) = found.outputs
    assert tag == "c 5"
    # A copy, not a view of what the next input overwrites.
    assert output.base is None


def test_closing_stops_the_readers():
    inputs = read_videos(VIDEOS, read, workers=3)
    outputs = infer_videos(FakeCompiled(1), inputs, OutputList)

    assert next(outputs).video == "a"
    outputs.close()
    inputs.close()

    assert not [each.name for each in threading.enumerate() if each.name.startswith("read")]


def test_a_collector_can_keep_a_sum_instead_of_every_output(double):
    class Sum:
        total = 0.0

        def add(self, tag, output):
            self.total += float(output[0])

    found = infer_videos(double, read_videos(VIDEOS, read), Sum)

    assert [(each.video, each.outputs.total) for each in found] == [
        ("a", 12.0),
        ("broken", 8.0),
        ("c", 10.0),
        ("d", 26.0),
    ]
