import openvino
import pytest

from i3d_rgb_tf import runtime
from i3d_rgb_tf.errors import DeviceError
from i3d_rgb_tf.ir import read_ir
from i3d_rgb_tf.runtime import compile_for_clips


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
    assert list(folder.glob("*.blob"))


def test_a_damaged_cache_is_made_anew(model, model_root, spec, cache_folder):
    compile_for_clips(model)
    blobs = list(cache_folder.rglob("*.blob"))
    for blob in blobs:
        blob.write_bytes(blob.read_bytes()[: blob.stat().st_size // 2])

    compiled = compile_for_clips(read_ir(spec.ir_path(model_root, "FP16")))

    assert tuple(compiled.output(0).shape) == (1, 400)


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


def test_what_openvino_says_of_a_wrong_device_list_becomes_one_line(model):
    with pytest.raises(DeviceError, match="HETERO:QPU cannot run the model: .*; try -D CPU") as e:
        compile_for_clips(model, "HETERO:QPU", cache=False)
    assert "\n" not in str(e.value)


def test_the_cache_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert runtime._cache_folder().parent == tmp_path / "i3d-rgb-tf"
