"""Files of labels: names of actions, one on each line."""

from __future__ import annotations

from pathlib import Path
from random import Random

from hostile.cases import Case, Kind, Setting
from hostile.mutations import damage_bytes, damage_text

__all__ = ["KINDS"]


def _load(_: Path) -> tuple[str, ...]:
    from i3d_rgb_tf.labels import load_labels

    return load_labels()


def _make(rng: Random, setting: Setting) -> Case:
    names = rng.choices(setting.templates, k=rng.choice((1, 3, 3, 20, 400)))
    text = rng.choice(("\n", "\n", "\r\n")).join(names) + rng.choice(("\n", "\n", "", "\n\n"))
    if rng.random() < 0.8:
        data, what = damage_text(rng, text, separators=" \r\n")
    else:
        data, what = damage_bytes(rng, text.encode())
    if rng.random() < 0.01:
        data, what = b"yoga\nnot a label\n" * 100_000, "long"
    path = setting.folder / "labels.txt"
    path.write_bytes(data)
    return Case(path, what)


def _use(case: Case) -> None:
    from i3d_rgb_tf.labels import load_labels, read_labels
    from i3d_rgb_tf.timeline.settings import SegmentSettings

    chosen = SegmentSettings(labels=read_labels(case.path)).labels or ()
    if not chosen or not set(chosen) <= set(load_labels()):
        raise AssertionError(f"labels are {chosen}")


KINDS = {
    "labels": Kind(
        "label files",
        "`timeline --labels`",
        _make,
        _use,
        load=_load,
        imports=("i3d_rgb_tf.timeline.settings",),
    )
}
