import contextlib
import gc
import subprocess
import sys
import weakref
from types import SimpleNamespace

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf import runtime
from i3d_rgb_tf.blobs import seal
from i3d_rgb_tf.errors import DeviceError
from i3d_rgb_tf.ir import read_ir
from i3d_rgb_tf.runtime import compile_for_clips, infer_in_turn


@pytest.fixture
def model(model_root, spec):
    return read_ir(spec.ir_path(model_root, "FP16"))


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "i3d-rgb-tf"


def test_frames_go_in_as_they_come(model):
    compiled = compile_for_clips(model, cache=False)

    assert tuple(compiled.input(0).shape) == (1, 79, 224, 224, 3)
    assert compiled.input(0).element_type == openvino.Type.u8


def test_the_compiled_model_is_kept_for_this_version_of_openvino(model, cache_folder):
    compile_for_clips(model)

    (folder,) = cache_folder.iterdir()
    assert folder.name == f"compiled-{openvino.__version__.split('-')[0]}"
    assert list(folder.rglob("*.blob"))


WEIGHTS = np.linspace(0, 1, 400, dtype=np.float32)


@pytest.fixture(scope="module")
def small_network_path(tmp_path_factory):
    """Return a network like the real one: its output is the mean times weights."""
    pixels = operations.parameter([1, 79, 3, 224, 224], np.float32, name="Placeholder")
    mean = operations.reduce_mean(pixels, np.array([1, 2, 3, 4]), keep_dims=False)
    column = operations.reshape(mean, np.array([1, 1]), special_zero=False)
    output = operations.multiply(column, WEIGHTS[np.newaxis])
    path = tmp_path_factory.mktemp("small") / "small.xml"
    # From a file, because a model that is made anew has new names and so another place.
    openvino.save_model(openvino.Model([output], [pixels], "small"), path, compress_to_fp16=False)
    return path


@pytest.fixture(scope="module")
def small_network(small_network_path):
    """Return what reads it; compiling changes a model."""
    return lambda: read_ir(small_network_path)


def answer(compiled):
    return compiled(np.full((1, 79, 224, 224, 3), 100, np.uint8))[0][0]


def other_version(data):
    version = openvino.__version__.split("-")[0].encode()
    return data.replace(version, b"2024.0.0"[: len(version)].ljust(len(version), b"0"))


DAMAGES = {
    "none": lambda data: data,
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "no longer the weights": lambda data: data.replace(WEIGHTS.tobytes(), bytes(WEIGHTS.nbytes)),
    "another version": other_version,
}


@pytest.mark.parametrize(
    ("damage", "sealed"),
    # Weights that were damaged before they were sealed nobody can tell from others.
    [
        *((damage, False) for damage in DAMAGES),
        *((damage, True) for damage in ("cut", "empty", "another version")),
    ],
)
def test_a_damaged_cache_is_made_anew(damage, sealed, small_network, cache_folder):
    compile_for_clips(small_network())
    (blob,) = cache_folder.rglob("*.blob")
    data = blob.read_bytes()
    assert WEIGHTS.tobytes() in data
    blob.write_bytes(DAMAGES[damage](data))
    if sealed:
        blob.with_suffix(".sha256").unlink()
        seal(blob.parent)

    compiled = compile_for_clips(small_network())

    assert compiled.get_property("LOADED_FROM_CACHE") is (damage == "none")
    assert answer(compiled) == pytest.approx(100 * WEIGHTS, abs=1e-4)


_COMPILE = """
import sys, pathlib, numpy
from i3d_rgb_tf import ir, runtime
compiled = runtime.compile_for_clips(ir.read_ir(pathlib.Path(sys.argv[1])))
print(compiled(numpy.full((1, 79, 224, 224, 3), 100, numpy.uint8))[0][0, -1])
"""


def test_processes_that_find_no_cache_at_the_same_time_give_the_same(
    small_network_path, small_network, cache_folder
):
    command = [sys.executable, "-c", _COMPILE, small_network_path]
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            for _ in range(3)
        ]
        found = [each.stdout.read() for each in processes]

    assert [float(each) for each in found] == [100, 100, 100]
    assert answer(compile_for_clips(small_network())) == pytest.approx(100 * WEIGHTS, abs=1e-4)


def test_what_was_made_anew_is_kept(small_network, cache_folder):
    compile_for_clips(small_network())
    (blob,) = cache_folder.rglob("*.blob")
    blob.write_bytes(b"damaged")
    compile_for_clips(small_network())

    assert compile_for_clips(small_network()).get_property("LOADED_FROM_CACHE")


def test_models_that_differ_are_kept_apart(small_network, cache_folder):
    compile_for_clips(small_network())
    compile_for_clips(small_network(), performance_hint="THROUGHPUT")
    compile_for_clips(small_network(), inference_precision="f32")

    assert len({blob.parent for blob in cache_folder.rglob("*.blob")}) == 3


def test_a_cache_that_cannot_be_written_is_done_without(model, tmp_path, monkeypatch, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))

    compiled = compile_for_clips(model)

    assert tuple(compiled.output(0).shape) == (1, 400)
    assert f"not using the cache of compiled models in {blocked}" in caplog.text


def test_a_device_that_is_not_there_is_named(model):
    with pytest.raises(DeviceError, match="there is no device QPU; OpenVINO sees here: .*CPU"):
        compile_for_clips(model, "QPU")


def test_a_precision_the_device_does_not_have_is_refused(model):
    available = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    missing = {"BF16": "bf16", "FP16": "f16"}.items()
    wanted = [hint for name, hint in missing if name not in available]
    if not wanted:
        pytest.skip("this processor calculates in every precision")

    with pytest.raises(DeviceError, match=f"CPU cannot calculate in {wanted[0]}"):
        compile_for_clips(model, inference_precision=wanted[0], cache=False)


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU", "HETERO:CPU", "MULTI:CPU"])
def test_several_devices_run_but_do_not_tell_their_precision(device, small_network):
    assert answer(compile_for_clips(small_network(), device, cache=False))[-1] == 100

    with pytest.raises(DeviceError, match=f"{device} does not tell .* such as -D CPU"):
        compile_for_clips(small_network(), device, "f32", cache=False)


def test_what_openvino_says_of_a_wrong_device_list_becomes_one_line(
    small_network, cache_folder, caplog
):
    with pytest.raises(DeviceError, match="HETERO:QPU cannot run the model: .*; try -D CPU") as e:
        compile_for_clips(small_network(), "HETERO:QPU")
    assert "\n" not in str(e.value)
    assert not caplog.text


@pytest.mark.parametrize(
    ("device", "available"),
    [("GPU", ["CPU", "GPU.0", "GPU.1"]), ("GPU.1", ["CPU", "GPU.0", "GPU.1"]), ("GPU.0", ["GPU"])],
)
def test_a_device_has_a_number_or_not(device, available):
    runtime._check_device(SimpleNamespace(available_devices=available), device)


def test_the_cache_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert runtime._cache_folder().parent == tmp_path / "i3d-rgb-tf"


@pytest.fixture(scope="module")
def double():
    """Return a network that takes any number of values and gives twice their mean."""
    values = operations.parameter([1, -1], np.float32)
    mean = operations.reduce_mean(values, np.int64(1), keep_dims=True)
    model = openvino.Model([operations.multiply(mean, np.float32(2))], [values], "double")
    return openvino.Core().compile_model(model, "CPU")


class FakeRequest:
    """Takes its time: it is done when somebody waits for it, or when `done` is set."""

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
        return {"OPTIMAL_NUMBER_OF_INFER_REQUESTS": self.num_streams}[name]

    def create_infer_request(self):
        self.requests.append(FakeRequest(self.events))
        return self.requests[-1]


def _values(*numbers):
    return np.array(numbers, np.float32)


def test_outputs_come_in_order_and_marks_between_them(double):
    inputs = [("a", _values(1)), ("b", _values(2, 4)), ("-", None), ("c", _values(5)), ("+", None)]

    found = list(infer_in_turn(double, inputs))

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

    outputs = infer_in_turn(compiled, inputs())

    assert next(outputs)[0] == 0
    first = [f"{what} {index}" for index in range(num_streams + 1) for what in ("read", "start")]
    assert compiled.events == [*first, f"read {num_streams + 1}", "wait 0"]
    assert [tag for tag, _ in outputs] == list(range(1, 10))
    assert len(compiled.requests) == num_streams + 1


def test_the_inputs_after_a_mark_are_read_while_those_before_it_are_inferred():
    compiled = FakeCompiled(1)
    inputs = iter([("a", _values(0)), ("end of a", None), ("b", _values(1)), ("end of b", None)])

    found = [tag for tag, _ in infer_in_turn(compiled, inputs)]

    assert compiled.events == ["start 0", "start 1", "wait 0", "wait 1"]
    assert found == ["a", "end of a", "b", "end of b"]


def test_what_is_done_is_given_before_the_next_input_is_made():
    compiled = FakeCompiled(1)

    def inputs():
        yield 0, _values(0)
        compiled.requests[1].done = True
        yield "end", None
        compiled.events.append("read 1")
        yield 1, _values(1)

    outputs = infer_in_turn(compiled, inputs())

    assert [next(outputs)[0], next(outputs)[0]] == [0, "end"]
    assert "read 1" not in compiled.events
    outputs.close()


def test_memory_does_not_grow_with_the_inputs(double):
    alive = []
    most = 0

    def inputs():
        nonlocal most
        for index in range(20):
            array = _values(index)
            alive.append(weakref.ref(array))
            gc.collect()
            most = max(most, sum(each() is not None for each in alive))
            yield index, array

    assert len(list(infer_in_turn(double, inputs()))) == 20
    # Two run, one is read, one stays in a request until that gets another.
    assert most <= 4


def test_a_run_that_is_given_up_cancels_what_runs_and_waits_for_it():
    compiled = FakeCompiled(2)
    outputs = infer_in_turn(compiled, ((index, _values(index)) for index in range(9)))

    assert next(outputs)[0] == 0
    outputs.close()

    assert compiled.events[-5:] == ["wait 0", "cancel 1", "cancel 2", "wait 1", "wait 2"]


def test_a_network_that_was_given_up_gives_the_same_answers_again(small_network):
    compiled = compile_for_clips(small_network(), cache=False)
    clip = np.full((79, 224, 224, 3), 100, np.uint8)

    outputs = infer_in_turn(compiled, ((index, clip) for index in range(9)))
    next(outputs)
    outputs.close()

    for _, output in infer_in_turn(compiled, [(0, clip), (1, clip)]):
        assert output == pytest.approx(100 * WEIGHTS, abs=1e-4)


def test_a_device_that_fails_is_one_line(double):
    with pytest.raises(DeviceError, match="the device failed: .*; try -D CPU"):
        list(infer_in_turn(double, [("x", np.zeros((3, 3), np.float32))]))


class BrokenRequest(FakeRequest):
    """Fails in what it is told to."""

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
    [(["wait_for"], "the device failed: lost while asked"), ([], "lost while waited for")],
)
def test_a_device_that_fails_meanwhile_is_one_line(events, message, monkeypatch):
    compiled = FakeCompiled(1)
    monkeypatch.setattr(compiled, "create_infer_request", lambda: BrokenRequest(events))

    with pytest.raises(DeviceError, match=message):
        list(infer_in_turn(compiled, ((index, _values(index)) for index in range(3))))
