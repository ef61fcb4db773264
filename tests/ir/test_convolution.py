"""The network is rewritten only where that was measured to be faster, and never in INT8."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import openvino
import pytest

from i3d_rgb_tf.choices import LAYOUTS, Layout
from i3d_rgb_tf.ir import convolution
from i3d_rgb_tf.ir.convolution import choose_convolution
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.layouts import change_layout
from networks import save_convolution_network, save_small_network


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets the kind of processor and its own inference precision."""

    def choose(kind: str, precision: openvino.Type | None) -> None:
        def get_property(core: Any, device: str, name: str) -> openvino.Type:
            assert (device, name) == ("CPU", "INFERENCE_PRECISION_HINT")
            if precision is None:
                raise RuntimeError("no such property")
            return precision

        monkeypatch.setattr("platform.machine", lambda: kind)
        monkeypatch.setattr(openvino.Core, "get_property", get_property)

    return choose


FASTER = "it is faster in f32 on x86-64 processors"
F32, BF16 = openvino.Type.f32, openvino.Type.bf16


@pytest.mark.parametrize(
    ("kind", "own", "arguments", "convolution", "reason"),
    [
        ("x86_64", F32, {}, "winograd", FASTER),
        ("AMD64", F32, {}, "winograd", FASTER),
        ("x86_64", BF16, {"inference_precision": "f32"}, "winograd", FASTER),
        ("x86_64", BF16, {}, "direct", "winograd is for f32 only, and CPU's own precision is bf16"),
        ("x86_64", None, {}, "direct", "winograd is for f32 only, .* own precision is unknown"),
        *(
            ("x86_64", F32, {"inference_precision": each}, "direct", f"f32 only, .* is {each}")
            for each in ("bf16", "f16")
        ),
        ("aarch64", F32, {}, "direct", "winograd is not measured on aarch64 processors"),
        ("", F32, {}, "direct", "winograd is not measured on unknown processors"),
        *(
            ("x86_64", F32, {"device": each}, "direct", f"CPU only, and the device is {each}")
            for each in ("GPU", "AUTO", "HETERO:CPU", "NPU")
        ),
        ("x86_64", F32, {"winograd": False}, "direct", "winograd is switched off"),
    ],
)
def test_winograd_is_for_f32_on_an_x86_64_cpu(
    processor: Any,
    kind: str,
    own: openvino.Type | None,
    arguments: dict[str, Any],
    convolution: str,
    reason: str,
) -> None:
    processor(kind, own)

    choice = choose_convolution(**arguments)

    assert choice.convolution == convolution
    assert re.search(reason, choice.reason)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_convolution_network(tmp_path_factory.mktemp("convolution") / "float.xml")


def choose_for(model: Any, **options: Any) -> str:
    return choose_convolution("CPU", "f32", model=model, **options).convolution


def test_the_model_decides_as_well(processor: Any, path: Path, tmp_path: Path) -> None:
    processor("x86_64", BF16)
    floats = read_ir(path)
    quantized = read_ir(save_convolution_network(tmp_path / "int8.xml", quantized=True))
    varying = read_ir(path)
    varying.reshape([1, -1, 3, 224, 224])
    without = read_ir(save_small_network(tmp_path / "small.xml"))

    assert choose_for(floats) == "winograd"
    assert choose_for(floats, winograd=False) == "direct"
    assert [choose_for(each) for each in (quantized, varying, without)] == ["direct"] * 3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_in_any_layout_can_be_rewritten(processor: Any, path: Path, layout: Layout) -> None:
    processor("x86_64", BF16)
    model = read_ir(path)
    change_layout(model, layout)

    assert choose_for(model) == "winograd"


def test_the_real_models_in_floating_point_are_rewritten(
    processor: Any, model_root: Path, spec: Any
) -> None:
    processor("x86_64", BF16)

    for precision in ("FP16", "FP32"):
        assert choose_for(read_ir(spec.ir_path(model_root, precision))) == "winograd"


def test_the_own_precision_of_the_cpu_is_that_of_a_compiled_model(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    compiled = openvino.Core().compile_model(path, "CPU")
    own = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()

    assert (choose_convolution().convolution == "winograd") is (own == "f32")


def test_other_code_of_the_rewrite_has_another_description(tmp_path, monkeypatch):
    convolution._rewrite_digest.cache_clear()
    before = convolution.describe("winograd")
    (tmp_path / "__init__.py").write_text("")
    monkeypatch.setattr(convolution.winograd_package, "__file__", str(tmp_path / "__init__.py"))
    convolution._rewrite_digest.cache_clear()

    after = convolution.describe("winograd")

    convolution._rewrite_digest.cache_clear()
    assert before != after
    assert convolution.describe("direct") == "direct"
