"""A prepared data set: its manifest, problems and annotations; and journals of results."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from random import Random

from hostile.cases import Case, Kind, Setting
from hostile.mutations import damage_bytes, damage_text, encode_document

__all__ = ["KINDS"]

_LABELS = ("abseiling", "yoga", "zumba", "not a label")


def _make_manifest(rng: Random, setting: Setting) -> Case:
    folder = setting.folder / "prepared"
    (folder / "kinetics" / "frames_val" / "yoga" / "v1").mkdir(parents=True)
    (folder / "kinetics" / "frames_val" / "yoga" / "v1" / "image_00001.jpg").write_bytes(b"x")
    (folder / "v1.mp4").write_bytes(b"not a video")
    manifest = [
        {
            "name": f"v{n}",
            "path": f"v{n}.mp4",
            "label": label,
            "num_frames": 9,
            "duration_seconds": 1.0,
        }
        for n, label in enumerate(rng.choices(_LABELS, k=3))
    ]
    database = {
        f"v{n}": {"subset": "validation", "annotations": {"label": label}}
        for n, label in enumerate(("yoga", "yoga", "zumba"))
    }
    files: dict[str, tuple[bytes, str]] = {
        "manifest.json": (json.dumps(manifest).encode(), ""),
        "kinetics/kinetics_400.json": (
            json.dumps({"labels": list(_LABELS), "database": database}).encode(),
            "",
        ),
        "problems.csv": (b"path,label,reason\na.mp4,yoga,why\n", ""),
    }
    chosen = rng.choice(list(files))
    if chosen == "problems.csv":
        files[chosen] = damage_text(rng, 'path,label,reason\na.mp4,yoga,why\nb.mp4,,"x, y"\n')
    else:
        document = manifest if chosen == "manifest.json" else json.loads(files[chosen][0])
        files[chosen] = encode_document(rng, document)
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    return Case(
        folder,
        f"{chosen} {files[chosen][1]}",
        names=("manifest.json", "kinetics_400.json", "problems.csv"),
    )


def _use_manifest(case: Case) -> None:
    from i3d_rgb_tf.kinetics.manifest import count_problems, list_videos

    list_videos(case.path, frames=False)
    list_videos(case.path, frames=True, most_videos=2)
    count_problems(case.path)


def _make_journal(rng: Random, setting: Setting) -> Case:
    checked = [
        {"name": f"v{n}", "path": str(setting.folder / "v.mp4"), "label": "yoga", "stamp": "0" * 16}
        | {"num_frames": n, "reason": ""}
        for n in range(3)
    ]
    predicted = [
        {"name": f"v{n}", "label": "yoga", "stamp": "0" * 16, "probabilities": [[0.0025] * 400]}
        for n in range(2)
    ]
    rows = checked if rng.random() < 0.6 else predicted
    lines = [json.dumps(row) for row in rows]
    index = rng.randrange(len(lines))
    damaged, what = encode_document(rng, rows[index])
    encoded = [line.encode() for line in lines]
    encoded[index] = damaged.replace(b"\n", b" ") if rng.random() < 0.8 else damaged
    data = b"\n".join(encoded) + rng.choice((b"\n", b"\n", b"", b"\n\n", b"\0\n"))
    if rng.random() < 0.2:
        data, what = damage_bytes(rng, data)
    folder = setting.folder
    (folder / "v.mp4").write_bytes(b"not a video")
    path = folder / "journal.jsonl"
    path.write_bytes(data)
    return Case(path, what)


def _use_journal(case: Case) -> None:
    from i3d_rgb_tf.evaluation.predictions import read_predictions, write_predictions
    from i3d_rgb_tf.journal import has_only, read_entries
    from i3d_rgb_tf.kinetics.annotations import LabelledVideo, Listing
    from i3d_rgb_tf.kinetics.prepare import prepare

    entries = list(read_entries(case.path))
    has_only(case.path, len(entries))
    write_predictions(case.path.parent / "again.jsonl", read_predictions(case.path))
    videos = tuple(LabelledVideo(f"v{n}", case.path.parent / "v.mp4", "yoga") for n in range(2))
    prepare(Listing(videos, ()), case.path.parent, workers=1)


def _load_journal(folder: Path) -> None:
    import i3d_rgb_tf.kinetics.prepare
    from i3d_rgb_tf.video.decode import read_frames

    path = folder / "any.mp4"
    path.write_bytes(b"not a video")
    with contextlib.suppress(ValueError):
        next(read_frames(path))
    assert i3d_rgb_tf.kinetics.prepare


_IMPORTS = ("numpy", "filelock", "i3d_rgb_tf.kinetics.prepare", "i3d_rgb_tf.evaluation.predictions")

KINDS = {
    "manifest": Kind(
        "prepared manifests",
        "`evaluate`, `quantize`",
        _make_manifest,
        _use_manifest,
        load=lambda folder: None,
        imports=_IMPORTS,
        may_write=True,
    ),
    "journal": Kind(
        "journals",
        "`prepare`, `evaluate`",
        _make_journal,
        _use_journal,
        load=_load_journal,
        imports=(*_IMPORTS, "av"),
        may_write=True,
    ),
}
