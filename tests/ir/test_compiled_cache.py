"""Compiled models are kept on disk, and a damaged one is never used."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import openvino.opset13 as operations
import pytest

from i3d_rgb_tf.ir import compiled_cache
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.compiled_cache import cache_folder, compile_cached
from i3d_rgb_tf.ir.files import read_ir
from networks import LABEL_WEIGHTS, infer_clip, save_small_network

pytestmark = pytest.mark.slow

_DIGEST_BYTES = 32


@pytest.fixture(scope="module")
def small_network_path(tmp_path_factory):
    return save_small_network(tmp_path_factory.mktemp("small") / "small.xml")


@pytest.fixture
def small_network(small_network_path):
    """Return a function that reads the network; compiling changes a model."""
    return lambda: read_ir(small_network_path)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return an empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "i3d-rgb-tf" / "compiled"


@pytest.fixture
def blob(small_network, cache):
    """Return the file of the network in the cache."""
    compile_model(small_network())
    (path,) = cache.iterdir()
    return path


@pytest.fixture
def is_loaded(caplog):
    """Return a function that compiles as `compile_model`, and whether that was from the cache."""
    caplog.set_level(logging.INFO, logger="i3d_rgb_tf")

    def compile_and_ask(*arguments, **options):
        caplog.clear()
        compiled = compile_model(*arguments, **options)
        assert infer_clip(compiled) == pytest.approx(100 * LABEL_WEIGHTS, abs=1e-4)
        return "loaded the compiled model" in caplog.text

    return compile_and_ask


def test_the_cache_folder_is_in_the_users_cache(cache):
    assert cache_folder() == cache


def test_a_model_is_compiled_once_and_then_loaded(is_loaded, small_network, cache, monkeypatch):
    assert not is_loaded(small_network())
    # What is loaded needs neither the graph that is compiled nor a compilation.
    monkeypatch.setattr("i3d_rgb_tf.ir.compile._with_frames_as_input", pytest.fail)
    monkeypatch.setattr(openvino.Core, "compile_model", pytest.fail)

    assert is_loaded(small_network())
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("convolution", ["direct", "winograd"])
def test_the_compiled_real_model_is_loaded(convolution, model_root, spec, cache, monkeypatch):
    path = spec.ir_path(model_root, "FP16")
    clip = np.random.default_rng(0).integers(0, 256, (79, 224, 224, 3), np.uint8)

    compiled = compile_model(read_ir(path), "CPU", "f32", convolution=convolution)
    monkeypatch.setattr(openvino.Core, "compile_model", pytest.fail)
    loaded = compile_model(read_ir(path), "CPU", "f32", convolution=convolution)

    assert np.array_equal(infer_clip(loaded, clip), infer_clip(compiled, clip))


@pytest.mark.parametrize(
    "options",
    [
        {"performance_hint": "THROUGHPUT"},
        {"inference_precision": "f32"},
        {"inference_precision": "bf16"},
    ],
)
def test_a_model_compiled_with_other_options_is_not_loaded(options, is_loaded, small_network, blob):
    available = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if options.get("inference_precision", "f32").upper().replace("F32", "FP32") not in available:
        pytest.skip("this processor does not support the precision")

    assert not is_loaded(small_network(), **options)
    assert is_loaded(small_network(), **options)
    assert len(list(blob.parent.iterdir())) == 2


def test_a_model_compiled_for_other_pixels_is_not_loaded(small_network, blob):
    compiled = compile_model(small_network(), pixel_type="float32")

    assert compiled.input(0).element_type == openvino.Type.f32


def _with_names(model, name="operation", port="port"):
    """Name operations and ports; names that OpenVINO gives are numbered across the process."""
    for number, each in enumerate(model.get_ordered_ops()):
        each.friendly_name = f"{name} {number}"
    for number, each in enumerate([*model.inputs, *model.outputs]):
        each.set_names({f"{port} {number}"})
    return model


def _network(
    reduce="reduce_mean", axes=(1, 2, 3, 4), weight=1.0, levels=256, mark="first", **names
):
    """Return a network in which one thing can be changed."""
    pixels = operations.parameter([1, 79, 3, 224, 224], np.float32)
    limits = [np.float32(value) for value in (0, 255, 0, 255)]
    rounded = operations.fake_quantize(pixels, *limits, levels)
    reduced = getattr(operations, reduce)(rounded, np.array(axes), keep_dims=False)
    scaled = operations.multiply(reduced, np.float32(weight))
    scaled.get_rt_info()[mark] = ""
    return _with_names(openvino.Model([scaled], [pixels], "network"), **names)


@pytest.mark.parametrize(
    "change",
    [
        {"reduce": "reduce_max"},
        {"axes": (1, 2, 3)},
        {"weight": 2.0},
        {"weight": [1.0]},
        {"levels": 128},
        {"mark": "second"},
        {"name": "node"},
        {"port": "pixels"},
    ],
    ids=["operation", "shape", "constant", "rank", "attribute", "rt_info", "name", "port"],
)
def test_another_model_is_not_loaded(change, cache):
    core = openvino.Core()

    for model in (_network(), _network(), _network(**change)):
        compile_cached(core, model, "CPU", {}, lambda model: model, "")

    assert len(list(cache.iterdir())) == 2


def test_another_order_of_the_inputs_of_an_operation_is_another_model(cache):
    for order in ((0, 1), (0, 1), (1, 0)):
        inputs = [operations.parameter([2], np.float32) for _ in range(2)]
        difference = operations.subtract(*(inputs[number] for number in order))
        model = _with_names(openvino.Model([difference], inputs, "difference"))
        for number, each in enumerate(inputs):
            each.friendly_name = f"input {number}"
        compile_cached(openvino.Core(), model, "CPU", {}, lambda model: model, "")

    assert len(list(cache.iterdir())) == 2


def test_a_model_that_is_prepared_in_another_way_is_not_loaded(small_network, cache):
    core = openvino.Core()
    prepared = []

    for preparation in ("", "", "rewrite 1", "rewrite 2", "rewrite 1"):

        def prepare(model, preparation=preparation):
            prepared.append(preparation)
            return model

        compile_cached(core, small_network(), "CPU", {}, prepare, preparation)

    assert prepared == ["", "rewrite 1", "rewrite 2"]


@pytest.mark.parametrize("module", ["openvino", "i3d_rgb_tf.ir.compiled_cache"])
def test_a_model_of_another_version_is_not_loaded(
    module, is_loaded, small_network, blob, monkeypatch
):
    monkeypatch.setattr(f"{module}.__version__", "0.0.0")

    assert not is_loaded(small_network())
    assert len(list(blob.parent.iterdir())) == 2


class OtherProcessor(openvino.Core):
    """An ``openvino.Core`` on a machine of the same name that lacks a precision."""

    def get_property(self, device, name):
        found = super().get_property(device, name)
        return found[1:] if name == "OPTIMIZATION_CAPABILITIES" else found


def test_a_model_compiled_for_another_processor_is_not_loaded(
    is_loaded, small_network, blob, monkeypatch
):
    monkeypatch.setattr(openvino, "Core", OtherProcessor)

    assert not is_loaded(small_network())


def _other_version(data):
    version = openvino.__version__.split("-")[0].encode()
    return data.replace(version, b"2024.0.0"[: len(version)].ljust(len(version), b"0"))


DAMAGES = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "less than a digest": lambda data: data[:9],
    "only a digest": lambda data: data[:_DIGEST_BYTES],
    "longer": lambda data: data + b"\0",
    "no digest": lambda data: data[_DIGEST_BYTES:],
    "wrong digest": lambda data: bytes(_DIGEST_BYTES) + data[_DIGEST_BYTES:],
    "other weights": lambda data: data.replace(
        LABEL_WEIGHTS.tobytes(), bytes(LABEL_WEIGHTS.nbytes)
    ),
    "another version": _other_version,
}


def _with_digest(data):
    return hashlib.sha256(data).digest() + data


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_compiled_model_is_replaced(damage, is_loaded, small_network, blob):
    data = blob.read_bytes()
    damaged = DAMAGES[damage](data)
    assert damaged != data
    blob.write_bytes(damaged)

    assert not is_loaded(small_network())
    assert is_loaded(small_network())


# Weights that were damaged before the digest was made cannot be recognized.
@pytest.mark.parametrize("damage", ["truncated", "empty", "another version"])
def test_a_compiled_model_that_openvino_refuses_is_replaced(damage, is_loaded, small_network, blob):
    blob.write_bytes(_with_digest(DAMAGES[damage](blob.read_bytes()[_DIGEST_BYTES:])))

    assert not is_loaded(small_network())
    assert is_loaded(small_network())


def test_a_pipe_in_the_cache_is_not_opened(is_loaded, small_network, blob):
    blob.unlink()
    os.mkfifo(blob)

    assert not is_loaded(small_network())
    assert is_loaded(small_network())


_COMPILE = """
import sys, pathlib
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import read_ir
from networks import infer_clip
print(infer_clip(compile_model(read_ir(pathlib.Path(sys.argv[1]))))[-1])
"""


def test_processes_that_fill_an_empty_cache_at_the_same_time_predict_the_same(
    small_network_path, small_network, is_loaded, cache
):
    command = [sys.executable, "-c", _COMPILE, small_network_path]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(command, env=environment, **pipes))
            for _ in range(3)
        ]
        found = [each.communicate() for each in processes]

    assert found == [("100.0\n", "")] * 3
    assert is_loaded(small_network())
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("in_the_way", ["i3d-rgb-tf", "i3d-rgb-tf/compiled"])
def test_a_cache_that_cannot_be_written_gives_a_warning(
    in_the_way, is_loaded, small_network, cache, tmp_path, caplog
):
    (tmp_path / in_the_way).parent.mkdir(exist_ok=True)
    (tmp_path / in_the_way).write_text("")

    assert not is_loaded(small_network())
    assert f"not using the cache of compiled models in {cache}: cannot write" in caplog.text


def test_a_compiled_model_that_cannot_be_replaced_gives_a_warning(
    is_loaded, small_network, blob, caplog
):
    blob.unlink()
    blob.mkdir()

    assert not is_loaded(small_network())
    assert f"not using the cache of compiled models in {blob.parent}" in caplog.text
    assert list(blob.parent.iterdir()) == [blob]


class CompiledModel:
    """An ``openvino.CompiledModel`` of a device that cannot export."""

    def export_model(self, stream):
        raise RuntimeError("a.cpp:1:\nnot implemented")


def test_a_model_that_there_is_no_memory_to_export_gives_a_warning(
    small_network, cache, caplog, monkeypatch
):
    def export(*_):
        raise MemoryError

    monkeypatch.setattr(CompiledModel, "export_model", export)
    monkeypatch.setattr(openvino.Core, "compile_model", lambda *arguments: CompiledModel())

    assert isinstance(compile_model(small_network()), CompiledModel)
    assert f"not using the cache of compiled models in {cache}" in caplog.text


def test_a_model_that_cannot_be_exported_gives_a_warning(small_network, cache, caplog, monkeypatch):
    monkeypatch.setattr(openvino.Core, "compile_model", lambda *arguments: CompiledModel())

    compiled = compile_model(small_network())

    assert isinstance(compiled, CompiledModel)
    assert f"not using the cache of compiled models in {cache}: not implemented" in caplog.text
    assert not cache.exists()


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU", "HETERO:CPU", "MULTI:CPU"])
def test_a_group_of_devices_has_no_cache(device, small_network, cache, caplog):
    compiled = compile_model(small_network(), device)

    assert infer_clip(compiled) == pytest.approx(100 * LABEL_WEIGHTS, abs=1e-4)
    assert not caplog.text
    assert not cache.exists()


def test_the_newest_eight_are_kept(small_network, cache):
    core = openvino.Core()
    for number in range(12):
        compile_cached(core, small_network(), "CPU", {}, lambda model: model, str(number))
        newest = max(cache.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, ns=(number, number))

    times = sorted(path.stat().st_mtime_ns for path in cache.iterdir())
    assert times == list(range(4, 12))


def test_one_that_another_process_removes_at_the_same_time_is_not_an_error(
    small_network, blob, caplog, monkeypatch
):
    monkeypatch.setattr(compiled_cache, "_KEPT", 1)
    # A link to nowhere is listed, and then not there.
    others = [blob.with_name(f"{number}.blob") for number in range(3)]
    for other in others:
        other.symlink_to("nowhere")
    modified = compiled_cache._modified

    def remove_and_ask(path):
        if path in others:
            path.unlink()
        return modified(path)

    monkeypatch.setattr(compiled_cache, "_modified", remove_and_ask)

    compile_model(small_network(), inference_precision="f32")

    assert not caplog.text
    assert len(list(blob.parent.iterdir())) == 1
