"""Features that are there already: their JSON, arrays and mark, damaged or in another's place."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from hostile.cases import Case, Kind, Setting
from hostile.mutations import damage_bytes, damage_text, encode_document

__all__ = ["KINDS"]

_SHAPE = (3, 1024)
_VIDEO = b"digests do not care what is in a video"
_MODEL_SHA256 = "0" * 64


def _run(folder: Path) -> Any:
    """Return a run that would make the features that the templates have."""
    from i3d_rgb_tf.features.resume import _Run
    from i3d_rgb_tf.features.settings import FeatureSettings
    from i3d_rgb_tf.inference.networks import NetworkFacts

    network = NetworkFacts(
        weights="rgb_imagenet",
        weights_sha384="0" * 96,
        model="i3d-rgb-tf.xml",
        convolution="direct",
        inference_precision="f32",
        device="CPU",
    )
    return _Run(folder, FeatureSettings(logits=True), _MODEL_SHA256, network)


def _load(_: Path) -> dict[str, bytes]:
    """Return the files of the features of a video, by name."""
    import numpy as np

    from i3d_rgb_tf.features.files import write_features
    from i3d_rgb_tf.features.result import Features

    folder = Path.cwd() / "first"
    folder.mkdir()
    video = folder / "clip.mp4"
    video.write_bytes(_VIDEO)
    run = _run(folder)
    rows = np.zeros(_SHAPE, np.float32)
    times = np.arange(len(rows), dtype=np.float64)
    features = Features(
        video=str(video),
        features=rows,
        logits=rows[:, :400],
        times_seconds=times,
        start_seconds=times,
        end_seconds=times + 1,
        frames_per_second=25.0,
        num_frames=75,
        is_repeated=False,
        last_window=None,
        settings=run.settings,
        network=run.network,
    )
    write_features(folder, features, run.origin(video))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _make(rng: Random, setting: Setting) -> Case:
    files: dict[str, bytes] = dict(setting.templates)
    chosen = rng.choices(("clip.json", rng.choice(list(files))), (85, 15))[0]
    if chosen != "clip.json":
        files[chosen], what = damage_bytes(rng, files[chosen])
    elif rng.random() < 0.8:
        files[chosen], what = encode_document(rng, json.loads(files[chosen]))
    else:
        files[chosen], what = damage_text(rng, files[chosen].decode())
    if rng.random() < 0.2:
        files["clip.unfinished"] = b""
    if rng.random() < 0.1:
        gone = rng.choice(list(files))
        what += f", no {gone}"
        del files[gone]
    for name, data in files.items():
        (setting.folder / name).write_bytes(data)
    return Case(setting.folder / "clip.mp4", f"{chosen} {what}", names=("clip.json", "clip_"))


def _use(case: Case) -> None:
    from i3d_rgb_tf.commands.features import text_line

    folder = case.path.parent
    for overwrite in (True, False):
        found = _run(folder).find_finished(case.path, overwrite=overwrite)
        if found is None:
            continue
        if not all(isinstance(size, int) for size in found.shape):
            raise AssertionError(f"features are said to be {found.shape}")
        text_line(found).encode()


KINDS = {
    "features": Kind(
        "features",
        "`features`",
        _make,
        _use,
        load=_load,
        imports=("numpy", "i3d_rgb_tf.commands.features", "i3d_rgb_tf.features.resume"),
        may_write=True,
    )
}
