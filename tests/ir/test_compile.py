"""Models are compiled to take decoded frames, for devices and precisions that are available."""

from __future__ import annotations

import numpy as np
import openvino
import pytest

from i3d_rgb_tf.errors import MEMORY_REMEDY, DeviceError, ModelError
from i3d_rgb_tf.ir.compile import compile_model, device_errors, inference_errors
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.reference import waves_clip
from networks import (
    LABEL_WEIGHTS,
    gray_clip,
    infer_clip,
    save_convolution_network,
    save_small_network,
)


@pytest.fixture(scope="module")
def small_network_path(tmp_path_factory):
    return save_small_network(tmp_path_factory.mktemp("small") / "small.xml")


@pytest.fixture
def model(small_network_path):
    return read_ir(small_network_path)


def test_the_real_model_takes_decoded_frames(model_root, spec):
    model = read_ir(spec.ir_path(model_root, "FP16"))

    compiled = compile_model(model, cache=False)

    assert tuple(compiled.input(0).shape) == (1, 79, 224, 224, 3)
    assert compiled.input(0).element_type == openvino.Type.u8


@pytest.mark.parametrize(
    ("pixel_type", "element_type", "level"),
    [("uint8", openvino.Type.u8, 100), ("float32", openvino.Type.f32, 0.25)],
)
def test_pixels_are_bytes_or_fractions(model, pixel_type, element_type, level):
    compiled = compile_model(model, pixel_type=pixel_type, cache=False)

    assert tuple(compiled.input(0).shape) == (1, 79, 224, 224, 3)
    assert compiled.input(0).element_type == element_type
    found = infer_clip(compiled, gray_clip(level, pixel_type))
    assert found == pytest.approx(level * LABEL_WEIGHTS, abs=1e-4)


@pytest.mark.parametrize("hint", ["LATENCY", "THROUGHPUT"])
@pytest.mark.parametrize("cache", [False, True])
def test_the_performance_hint_is_passed_on(model, hint, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    compiled = compile_model(model, performance_hint=hint, cache=cache)

    assert hint in str(compiled.get_property("PERFORMANCE_HINT"))
    assert any(tmp_path.iterdir()) is cache


def test_a_device_that_is_not_available_is_an_error(model):
    with pytest.raises(DeviceError, match="there is no device QPU; OpenVINO sees here: .*CPU"):
        compile_model(model, "QPU")


def test_a_precision_that_the_device_supports_is_used(model):
    compiled = compile_model(model, inference_precision="f32", cache=False)

    assert compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32


def test_a_precision_that_the_device_does_not_support_is_an_error(model):
    available = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    optional = {"BF16": "bf16", "FP16": "f16"}.items()
    missing = [precision for name, precision in optional if name not in available]
    if not missing:
        pytest.skip("this processor supports every precision")

    expected = (
        f"CPU does not support the inference precision {missing[0]}, it would use (f32|bf16);"
    )
    with pytest.raises(DeviceError, match=expected):
        compile_model(model, inference_precision=missing[0], cache=False)


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU", "HETERO:CPU", "MULTI:CPU"])
def test_a_group_of_devices_runs_the_model(device, model):
    found = infer_clip(compile_model(model, device, cache=False))

    assert found == pytest.approx(100 * LABEL_WEIGHTS, abs=1e-4)


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU", "HETERO:CPU", "MULTI:CPU"])
def test_a_precision_that_a_group_of_devices_cannot_guarantee_is_an_error(device, model):
    with pytest.raises(DeviceError, match=f"{device} does not report .* such as -D CPU"):
        compile_model(model, device, "f32", cache=False)


def test_the_error_for_a_wrong_group_of_devices_is_one_line(model, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(DeviceError, match="HETERO:QPU cannot run the model: .*; try -D CPU") as e:
        compile_model(model, "HETERO:QPU")
    assert "\n" not in str(e.value)
    assert not caplog.text


@pytest.fixture
def convolutions(tmp_path, monkeypatch):
    """Return a function that reads a network with a convolution, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Where the rewrite is measured to be faster.
    monkeypatch.setattr("platform.machine", lambda: "x86_64")

    def read(*, quantized=False):
        path = tmp_path / f"{quantized}.xml"
        if not path.exists():
            save_convolution_network(path, quantized=quantized)
        return read_ir(path)

    return read


def computes(compiled):
    """Return how a compiled model computes its convolutions: a rewritten one is over frames."""
    nodes = compiled.get_runtime_model().get_ops()
    ranks = {
        len(node.get_output_shape(0))
        for node in nodes
        if node.get_rt_info()["layerType"].astype(str) == "Convolution"
    }
    return {(5,): "direct", (4,): "winograd"}[tuple(ranks)]


@pytest.mark.slow
@pytest.mark.parametrize("pixel_type", ["uint8", "float32"])
def test_in_f32_convolutions_are_rewritten_with_the_same_results(convolutions, pixel_type):
    clip = waves_clip().astype(pixel_type)

    plain, rewritten = (
        compile_model(
            convolutions(),
            "CPU",
            "f32",
            pixel_type=pixel_type,
            convolution=None if winograd else "direct",
            cache=False,
        )
        for winograd in (False, True)
    )

    assert [computes(each) for each in (plain, rewritten)] == ["direct", "winograd"]
    expected = infer_clip(plain, clip)
    assert expected.max() > 0.1
    assert np.abs(infer_clip(rewritten, clip) - expected).max() <= 1e-6


@pytest.mark.parametrize("cache", [False, True])
def test_a_quantized_model_is_never_rewritten(convolutions, cache):
    compiled = compile_model(convolutions(quantized=True), "CPU", "f32", cache=cache)

    assert computes(compiled) == "direct"


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_in_other_precisions_no_model_is_rewritten(convolutions, precision):
    try:
        compiled = compile_model(convolutions(), "CPU", precision, cache=False)
    except DeviceError:
        pytest.skip("this processor does not support the precision")

    assert computes(compiled) == "direct"


def test_by_default_a_model_is_rewritten_if_the_cpu_runs_in_f32(convolutions):
    compiled = compile_model(convolutions(), cache=False)

    is_f32 = compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert computes(compiled) == ("winograd" if is_f32 else "direct")


def test_the_cache_never_mixes_direct_and_rewritten_models(convolutions, monkeypatch, tmp_path):
    def compile_both():
        return [
            computes(
                compile_model(
                    convolutions(), "CPU", "f32", convolution=None if winograd else "direct"
                )
            )
            for winograd in (True, False)
        ]

    assert compile_both() == ["winograd", "direct"]
    assert len(list((tmp_path / "cache").rglob("*.blob"))) == 2
    # Now both are loaded.
    monkeypatch.setattr(openvino.Core, "compile_model", pytest.fail)
    assert compile_both() == ["winograd", "direct"]


class FakeCore:
    """An ``openvino.Core`` on a machine with other devices."""

    def __init__(self, available_devices):
        self.available_devices = available_devices

    def compile_model(self, model, device, properties):
        return f"compiled for {device}"


@pytest.mark.parametrize(
    ("device", "available"),
    [("GPU", ["CPU", "GPU.0", "GPU.1"]), ("GPU.1", ["CPU", "GPU.0", "GPU.1"]), ("GPU.0", ["GPU"])],
)
def test_a_device_can_be_named_with_or_without_its_number(model, device, available, monkeypatch):
    monkeypatch.setattr(openvino, "Core", lambda: FakeCore(available))

    assert compile_model(model, device, cache=False) == f"compiled for {device}"


def test_the_error_for_a_missing_device_lists_numbered_devices(model, monkeypatch):
    monkeypatch.setattr(openvino, "Core", lambda: FakeCore(["CPU", "GPU.0", "GPU.1"]))

    with pytest.raises(DeviceError, match=r"no device NPU; OpenVINO sees here: CPU, GPU.0, GPU.1"):
        compile_model(model, "NPU", cache=False)


LACKING = RuntimeError("Exception from plugin.cpp:1:\nFailed to allocate 88 bytes of memory\n")


@pytest.mark.parametrize("device", ["CPU", "CPU.0"])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (LACKING, f"Failed to allocate 88 bytes of memory; {MEMORY_REMEDY}"),
        (MemoryError("std::bad_alloc"), f"out of memory; {MEMORY_REMEDY}"),
        (RuntimeError("a.cpp:1:\nshapes differ"), "shapes differ; the model may be damaged; conv"),
        (ValueError("stoi"), "stoi; the model may be damaged; convert again"),
    ],
)
def test_an_error_of_the_cpu_has_the_remedy_that_fits(error, expected, device):
    with pytest.raises(DeviceError, match=f"^the device failed: {expected}") as caught:
        with device_errors("the device failed", device):
            raise error
    assert "-D" not in str(caught.value)


@pytest.mark.parametrize("device", ["", "GPU", "GPU.1", "AUTO", "HETERO:GPU,CPU"])
def test_an_error_of_another_device_names_the_cpu(device):
    with pytest.raises(DeviceError, match="^no: Failed to allocate .* memory; try -D CPU$"):
        with device_errors("no", device):
            raise LACKING


class CompiledModel:
    """An ``openvino.CompiledModel`` of a device, or of one that does not say where it runs."""

    def __init__(self, devices):
        self.devices = devices

    def get_property(self, name):
        assert name == "EXECUTION_DEVICES"
        if not self.devices:
            raise RuntimeError("no such property")
        return self.devices


@pytest.mark.parametrize(
    ("devices", "remedy"),
    [(["CPU"], MEMORY_REMEDY), (["GPU.0"], "try -D CPU"), ([], "try -D CPU")],
)
def test_an_error_of_inference_has_the_remedy_of_its_device(devices, remedy):
    with pytest.raises(DeviceError, match=f"^the device failed: .*; {remedy}$"):
        with inference_errors(CompiledModel(devices)):
            raise LACKING


def test_errors_of_this_package_are_raised_unchanged():
    with pytest.raises(ModelError, match="^another model$"):
        with device_errors("the device failed"):
            raise ModelError("another model")


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("num_threads", [1, 2])
def test_threads_are_as_many_as_asked_for_and_not_pinned(
    model, num_threads, cache, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compile_model(model.clone(), num_threads=3 - num_threads, cache=cache)

    compiled = compile_model(model, num_threads=num_threads, cache=cache)

    assert compiled.get_property("INFERENCE_NUM_THREADS") == num_threads
    assert compiled.get_property("ENABLE_CPU_PINNING") is False


def test_threads_are_as_many_as_the_quota_of_a_container_allows(model, monkeypatch):
    monkeypatch.setattr("i3d_rgb_tf.ir.compile.core_quota", lambda: 1)

    compiled = compile_model(model, cache=False)

    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1


def test_threads_of_a_group_of_devices_are_its_own(model):
    compiled = compile_model(model, "AUTO:CPU", num_threads=1, cache=False)

    assert infer_clip(compiled, gray_clip(100)) == pytest.approx(100 * LABEL_WEIGHTS, abs=1e-3)


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_the_number_of_threads_does_not_change_a_prediction(model_root, spec, precision):
    if precision.upper() not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip(f"this processor has no {precision}")
    model = read_ir(spec.ir_path(model_root, "FP16"))

    one, two = (
        infer_clip(
            compile_model(model.clone(), "CPU", precision, num_threads=count, cache=False),
            waves_clip(),
        )
        for count in (1, 2)
    )

    assert one.tobytes() == two.tobytes()
