"""The zoo's own tools, unmodified, on our entry."""

import re
from pathlib import Path

import numpy as np
import openvino
import pytest

from i3d_rgb_tf import load_model
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.metadata import read_provenance
from i3d_rgb_tf.reference import waves_clip, waves_probabilities
from i3d_rgb_tf.verify import TOLERANCES, predict_pixels
from servers import content, dropped

NAME = ("--name", "i3d-rgb-tf")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def assert_golden(root: Path, *precisions: str) -> None:
    """Each IR has the documented inputs and outputs, and the predictions of the original stack."""
    for precision in precisions or ("FP16", "FP32"):
        path = root / "public" / "i3d-rgb-tf" / precision / "i3d-rgb-tf.xml"
        model = openvino.Core().read_model(path)
        assert tuple(model.input("Placeholder").shape) == (1, 79, 3, 224, 224)
        assert tuple(model.output("Softmax:0").shape) == (1, 400)
        found = predict_pixels(read_ir(path), waves_clip())
        assert np.abs(found - waves_probabilities()).max() <= TOLERANCES[precision]


def convert(tools, root: Path, *, mo: bool, check: bool = True):
    """Run the converter with its own Model Optimizer, or with our stand-in."""
    ours = ["--mo", tools.run("i3d-rgb-tf", "info", "--mo").stdout.strip()] if mo else []
    return tools.run("omz_converter", *NAME, *ours, cwd=root, check=check)


def test_download_and_convert(tools, published, tmp_path):
    tools.run("omz_downloader", *NAME, cwd=tmp_path)
    assert published.requests == ["/rgb.frozen.pb"]

    # No Model Optimizer runs beside OpenVINO 2026.
    output = convert(tools, tmp_path, mo=tools.release == "2026.4.1").stdout

    assert "Placeholder(NDHWC->NDCHW)" in output
    assert_golden(tmp_path)
    # The release's own OpenVINO computes the same, and changes the layout.
    layout = ["--layout", "NSTHWC", "--precisions", "FP32"]
    tools.run("i3d-rgb-tf", "convert", *layout, cwd=tmp_path)
    verified = tools.run("i3d-rgb-tf", "verify", cwd=tmp_path).stdout
    assert re.findall(r"^passed  (FP.*) waves", verified, re.MULTILINE) == [
        "FP16",
        "FP32",
        "FP32 NSTHWC",
    ]


def test_convert_without_model_optimizer(tools, published, tmp_path):
    tools.run("omz_downloader", *NAME, cwd=tmp_path)

    output = convert(tools, tmp_path, mo=True).stdout

    assert "[ SUCCESS ] XML file:" in output
    assert_golden(tmp_path)
    path = tmp_path / "public" / "i3d-rgb-tf" / "FP32" / "i3d-rgb-tf.xml"
    assert read_provenance(read_ir(path)).weights == "rgb_scratch"


def test_the_stock_model_optimizer_next_to_openvino_2026_does_not_run(tools, published, tmp_path):
    if tools.release != "2026.4.1":
        pytest.skip("a finding about OpenVINO 2026")
    tools.run("omz_downloader", *NAME, cwd=tmp_path)

    failed = convert(tools, tmp_path, mo=False, check=False)

    assert failed.returncode != 0
    assert "Unable to load Model Optimizer" in failed.stdout


def test_our_commands_work_on_the_files_of_the_zoos_tools(tools, published, wheel, tmp_path):
    tools.run("omz_downloader", *NAME, cwd=tmp_path)
    tools.run("i3d-rgb-tf", "convert", "--precisions", "FP32", cwd=tmp_path)

    assert_golden(tmp_path, "FP32")
    # The release's own OpenVINO infers a long video in one dense pass.
    video = wheel / "bigbuckbunny.mp4"
    options = ["--inference-precision", "f32", "--output-dir", "out"]
    tools.run("i3d-rgb-tf", "features", video, *options, cwd=tmp_path)
    model = load_model(directory=tmp_path, inference_precision="f32", cache=False)
    expected = model.features(video).features
    found = np.load(tmp_path / "out" / "bigbuckbunny_rgb.npy")
    assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)


def test_info_dumper_shows_our_entry(tools, registered):
    shown = tools.run("omz_info_dumper", *NAME).stdout

    assert '"layout": "NDHWC->NDCHW"' in shown
    assert str(registered / "model.yml") in shown


@pytest.mark.parametrize("fault", ["drop", "truncation", "wrong bytes"])
def test_after_a_server_fault_our_commands_continue(
    tools, published, frozen_graph, tmp_path, fault
):
    body = frozen_graph.read_bytes()
    published.responses["/rgb.frozen.pb"] = [
        {
            "drop": dropped(body, 1_000_000),
            "truncation": content(body[:-1000]),
            "wrong bytes": content(body[:-1000] + bytes(1000)),
        }[fault]
    ]
    graph = tmp_path / "public" / "i3d-rgb-tf" / "i3d-rgb.frozen.pb"

    failed = tools.run("omz_downloader", *NAME, cwd=tmp_path, check=False)

    assert failed.returncode != 0
    assert "FAILED:\ni3d-rgb-tf" in failed.stdout
    assert not graph.exists()
    tools.run("i3d-rgb-tf", "download", "--file", frozen_graph, cwd=tmp_path)
    tools.run("i3d-rgb-tf", "convert", "--precisions", "FP16", cwd=tmp_path)
    assert_golden(tmp_path, "FP16")


def test_pre_convert_rejects_a_graph_that_is_not_the_published_one(tools, registered, tmp_path):
    graph = tmp_path / "public" / "i3d-rgb-tf" / "i3d-rgb.frozen.pb"
    graph.parent.mkdir(parents=True)
    graph.write_bytes(b"not the graph")

    failed = convert(tools, tmp_path, mo=True, check=False)

    assert failed.returncode != 0
    assert "(13 bytes) is not the published file" in failed.stdout
    assert not list(tmp_path.rglob("*.xml"))


def test_zoo_run_uses_our_entry_and_does_not_change_the_zoo(tools, entry, tmp_path):
    root = entry.parents[1]
    before = snapshot(root)

    shown = tools.run("i3d-rgb-tf", "zoo", "run", "info_dumper", *NAME).stdout

    assert '"layout": "NDHWC->NDCHW"' in shown
    assert snapshot(root) == before
