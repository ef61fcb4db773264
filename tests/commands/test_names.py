"""Every command prints names that others chose: as text without controls, as JSON exactly."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from i3d_rgb_tf import benchmark
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import DownloadError
from i3d_rgb_tf.evaluation import evaluate
from i3d_rgb_tf.evaluation.accuracy import Accuracy, Confusion
from i3d_rgb_tf.ir import convert
from i3d_rgb_tf.ir.files import read_ir, save_ir
from i3d_rgb_tf.ir.metadata import Provenance, write_provenance
from i3d_rgb_tf.quantization import quantize
from i3d_rgb_tf.quantization.acceptance import Agreement, QuantizationRecord
from i3d_rgb_tf.weights import sources
from i3d_rgb_tf.weights.sources import FrozenGraph
from networks import save_small_network
from videos import gray, write_video

NAME = "é动😀\x1b[2J\r\n\x08\x07\x9b1m\u2028\u202e4pm"
SHOWN = r"é动😀\x1b[2J\r\n\x08\x07\x9b1m\u2028\u202e4pm"
"""How it is printed; test_terminal.py goes through all of Unicode."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that is named so."""
    folder = tmp_path / NAME
    folder.mkdir()
    return folder


@pytest.fixture
def tree(folder, spec) -> Path:
    """Return a model tree in it, with an IR that says of itself what it likes."""
    path = spec.ir_path(folder, "FP16")
    model = read_ir(save_small_network(folder / "small.xml"))
    write_provenance(model, Provenance(f"weights {NAME}", "ab"))
    save_ir(model, path)
    return folder


@pytest.fixture
def video(folder) -> Path:
    return write_video(folder / f"{NAME}.mp4", [gray(99)] * 3)


@pytest.fixture
def shown(capsys):
    """Give what runs a command and returns its lines on both streams."""

    def run(*arguments: object, status: int = 0) -> list[str]:
        capsys.readouterr()
        assert main([*map(str, arguments)]) == status
        printed = "".join(capsys.readouterr())
        lines = printed.split("\n")
        assert lines.pop() == ""
        assert [line for line in lines if not line.isprintable()] == []
        return lines

    return run


def test_info(shown, folder, spec):
    lines = shown("info", "-d", folder)

    assert any(line.startswith("model tree") and SHOWN in line for line in lines)
    document = json.loads("\n".join(shown("info", "-d", folder, "--format", "json")))
    assert document["directory"]["path"] == str(spec.folder(folder))


def test_classify(shown, tree, video):
    head, *predictions = shown("classify", "-d", tree, video, "--top-k", 2)

    assert head.count(SHOWN) == 3
    assert head.endswith(f"weights weights {SHOWN}")
    assert len(predictions) == 2
    (document,) = json.loads("\n".join(shown("classify", "-d", tree, video, "--format", "json")))
    assert (document["video"], document["weights"]) == (str(video), f"weights {NAME}")


def test_classify_reports_errors(shown, tree, video):
    broken = video.with_name(f"broken {NAME}.mp4")
    broken.write_bytes(video.read_bytes()[:500])
    empty = video.with_name(f"empty {NAME}")
    empty.mkdir()

    lines = shown("classify", "-d", tree, broken, video, empty, status=1)

    errors = [line for line in lines if line.startswith("i3d-rgb-tf: error: ")]
    assert len(errors) == 2
    assert all(SHOWN in line for line in errors)


def test_the_progress_bar_leaves_each_line_alone(tree, video, monkeypatch, capsys):
    """The bar moves the cursor itself, and is erased before a line is printed."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    assert main(["classify", "-d", str(tree), *[str(video)] * 2, "--top-k", "1"]) == 0

    printed = capsys.readouterr()
    assert printed.out.count(SHOWN) == 6
    assert len(printed.out.splitlines()) == 4
    assert "\r" in printed.err
    assert printed.err.replace("\r", "").replace("\n", "").isprintable()


def test_verify(shown, tree):
    lines = shown("verify", "-d", tree, status=1)

    assert any(f"no reference for weights {SHOWN}" in line for line in lines)
    documents = json.loads("\n".join(shown("verify", "-d", tree, "--format", "json", status=1)))
    assert any(f"no reference for weights {SHOWN}" in each["detail"] for each in documents)


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "-d"],
        ["convert", "--layout", "NDHWC", "--precisions", "FP16-INT8", "-d"],
        ["download", "--file"],
        ["freeze"],
        ["quantize", "--calibration", "x.mp4", "-d"],
        ["benchmark", "-d"],
        ["prepare", "-o", "out"],
        ["evaluate", "-m", "x.xml", "-o", "out"],
        ["zoo", "status", "--zoo"],
        ["zoo", "register", "--zoo"],
    ],
    ids=" ".join,
)
def test_an_error_that_names_a_folder(shown, folder, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    (line,) = shown(*arguments, folder, status=1)

    assert line.startswith("i3d-rgb-tf: error: ")
    assert SHOWN in line


def test_convert(shown, folder, monkeypatch):
    paths = [folder / "a.xml", folder / "b.xml"]
    monkeypatch.setattr(convert, "convert", lambda *_, **__: paths)

    assert [line[-len(SHOWN) - 6 :] for line in shown("convert")] == [
        f"{SHOWN}/a.xml",
        f"{SHOWN}/b.xml",
    ]


@pytest.mark.parametrize(
    ("function", "arguments"), [("adopt", ["--file", "x.pb"]), ("download", [])]
)
def test_download(shown, folder, monkeypatch, function, arguments):
    graph = FrozenGraph(folder / "x.pb", f"weights {NAME}", "file")
    monkeypatch.setattr(sources, function, lambda *_, **__: graph)

    (line,) = shown("download", *arguments)

    assert line.endswith(f"{SHOWN}/x.pb: weights {SHOWN}, from source file")


def test_freeze(shown, folder, monkeypatch):
    graph = FrozenGraph(folder / "x.pb", "unknown", "file")
    monkeypatch.setattr(sources, "adopt", lambda *_, **__: graph)

    (line,) = shown("freeze", "model.ckpt")

    assert line.endswith(f"{SHOWN}/x.pb: unknown")


RECORD = QuantizationRecord(2, 6, Agreement(3, 1.0, 0.0, 0.0), 2.0)


def test_quantize(shown, folder, monkeypatch):
    result = quantize.Quantization(folder / "x.xml", RECORD)
    monkeypatch.setattr(quantize, "quantize", lambda *_, **__: result)
    command = ["quantize", "--calibration", "x.mp4"]

    assert shown(*command)[-1].endswith(f"{SHOWN}/x.xml")
    document = json.loads("\n".join(shown(*command, "--format", "json")))
    assert document["path"] == str(result.path)


def test_benchmark(shown, monkeypatch):
    measurement = benchmark.Measurement(
        *("FP16", "NDCHW", NAME, "direct", 2.0, 3.0, 1.0, 1.0, 1.0, 1.0, 500.0, None, RECORD)
    )
    recommended = ("FP16", "direct", "the only one")
    result = benchmark.Benchmark("GPU", NAME, "2026", (measurement,), *recommended)
    monkeypatch.setattr(benchmark, "benchmark", lambda *_, **__: result)

    assert shown("benchmark")[0] == f"GPU: {SHOWN}, OpenVINO 2026"
    document = json.loads("\n".join(shown("benchmark", "--format", "json")))
    assert document["device_name"] == NAME


def test_prepare(shown, folder, video):
    source = folder / "videos.csv"
    source.write_text(f'path,label\n"{video.name}",archery\n"gone {NAME}.mp4",archery\n')
    command = ["prepare", source, "-o", folder / "out", "--workers", "1"]

    lines = shown(*command, status=1)

    assert [line.split(":")[0] for line in lines] == ["videos", "problems"]
    assert all(SHOWN in line for line in lines)
    document = json.loads("\n".join(shown(*command, "--format", "json", status=1)))
    assert document["manifest_path"] == str(folder / "out" / "manifest.json")


def test_evaluate(shown, folder, monkeypatch, tmp_path):
    half = Accuracy(1, 2, 0.5, 0.1, 0.9)
    result = evaluate.Evaluation(
        protocol="zoo",
        description="the middle",
        published="",
        model=str(folder / "x.xml"),
        model_sha256="ab",
        weights=f"weights {NAME}",
        device="CPU",
        inference_precision="f32",
        convolution="direct",
        num_videos=2,
        missing={f"gone {NAME}": NAME},
        failed={f"cut {NAME}": f"reason {NAME}"},
        clip_top1=half,
        clip_top5=half,
        video_top1=half,
        video_top5=half,
        classes={f"label {NAME}": half},
        confusions=(Confusion(f"label {NAME}", f"predicted {NAME}", 1),),
        predictions_path="x.jsonl",
    )
    monkeypatch.setattr(evaluate, "evaluate", lambda *_, **__: result)
    command = ["evaluate", tmp_path, "-m", "x.xml", "-o", folder]

    lines = shown(*command, status=1)

    for expected in (
        f"(weights {SHOWN}, f32 on CPU, direct convolution)",
        f"low accuracy: label {SHOWN}: 1 of 2",
        f"confusion: label {SHOWN} predicted as predicted {SHOWN}: 1",
        f"missing: gone {SHOWN}: {SHOWN}",
        f"failed: cut {SHOWN}: reason {SHOWN}",
        f"{SHOWN}/zoo.html",
    ):
        assert sum(expected in line for line in lines) == 1
    (document,) = json.loads("\n".join(shown(*command, "--format", "json", status=1)))
    assert document["failed"] == result.failed


def test_zoo(shown, folder):
    zoo = folder / "zoo" / "models"
    (zoo / "public").mkdir(parents=True)

    for action in ("register", "status", "unregister"):
        lines = shown("zoo", action, "--zoo", zoo)
        assert SHOWN in lines[0]
    document = json.loads("\n".join(shown("zoo", "status", "--zoo", zoo, "--format", "json")))
    assert str(zoo) in document["entry"]


def test_demo(shown, folder, tree, spec, monkeypatch):
    """Everything is there but the weights, which are not found."""

    def download(*_, **__):
        raise DownloadError(f"no weights for {folder}")

    monkeypatch.setattr(sources, "download", download)

    lines = shown("demo", "-d", folder, status=1)

    assert len(lines) == 5
    assert sum(line.startswith("$ i3d-rgb-tf download -o ") for line in lines) == 2
    assert sum(f"no weights for {folder.parent}/{SHOWN}" in line for line in lines) == 2


@pytest.mark.parametrize("stream", ["out", "err"])
def test_a_label_of_the_model_is_never_printed_raw(tree, video, capsys, monkeypatch, stream):
    """Also where it is not the one that is expected: the labels in an IR's metadata."""
    model = read_ir(tree / "small.xml")
    model.set_rt_info(NAME, ["model_info", "labels"])
    save_ir(model, tree / "labels.xml")

    assert main(["-v", "classify", "-m", str(tree / "labels.xml"), str(video)]) == 0

    printed = getattr(capsys.readouterr(), stream)
    assert printed.replace("\n", "").isprintable()
    assert SHOWN in printed
