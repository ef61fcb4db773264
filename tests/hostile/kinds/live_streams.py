"""Live streams: damaged ones from standard input, and from senders on loopback."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from hostile.cases import Case, Kind, Setting, random_for
from hostile.kinds.live_senders import WAYS
from hostile.kinds.video_claims import CLAIMS
from hostile.kinds.video_templates import make_templates
from hostile.kinds.video_texts import NAMES, TEXTS
from hostile.kinds.videos import TAGS, load_templates
from hostile.mutations import damage_bytes

__all__ = ["KINDS"]

_STREAMS = (".ts", ".m2ts", ".mkv", ".webm", ".flv", ".mpg", ".h264", ".nut")
"""Endings of the templates that are taken most."""
_OPEN_SECONDS, _READ_SECONDS = 1.0, 0.4
_MOST_FRAMES = 20_000
"""Thirteen minutes: no case sends as much."""


def _load(folder: Path) -> dict[str, bytes]:
    from i3d_rgb_tf.video import sources

    # The package waits longer.
    sources._OPEN_SECONDS, sources._READ_SECONDS = _OPEN_SECONDS, _READ_SECONDS
    return load_templates(folder)


def _make(rng: Random, setting: Setting) -> Case:
    way = rng.choices(("-", *WAYS), (50, 26, 18, 6))[0]
    content = rng.choices((_damaged, _joined, _text, _claim, _noise), (60, 20, 6, 8, 6))[0]
    if way == "rtsp":
        # It is a camera that damages what it sends, and how.
        content = _transport_stream
    data, what = content(rng, setting)
    path = setting.folder / "stream"
    path.write_bytes(data)
    return Case(
        path,
        f"{way} {what}",
        names=("standard input", "127.0.0.1"),
        data={"way": way, "seed": setting.seed},
    )


def _template(rng: Random, setting: Setting) -> tuple[str, bytes]:
    templates: dict[str, bytes] = setting.templates
    streams = [name for name in templates if name.endswith(_STREAMS)]
    name = rng.choice(streams if rng.random() < 0.8 else list(templates))
    return name, templates[name]


def _damaged(rng: Random, setting: Setting) -> tuple[bytes, str]:
    name, data = _template(rng, setting)
    damaged, what = damage_bytes(rng, data, list(setting.templates.values()), tags=TAGS)
    return damaged, f"{name} {what}"


def _joined(rng: Random, setting: Setting) -> tuple[bytes, str]:
    """Return what a sender sends that begins anew, maybe with another video."""
    parts = [_template(rng, setting)]
    for _ in range(rng.choice((1, 1, 2, 5))):
        parts.append(parts[0] if rng.random() < 0.6 else _template(rng, setting))
    data = b"".join(part for _, part in parts)
    what = "+".join(name for name, _ in parts)
    if rng.random() < 0.7:
        data, how = damage_bytes(rng, data, tags=TAGS)
        what += f" {how}"
    return data, what


def _transport_stream(rng: Random, setting: Setting) -> tuple[bytes, str]:
    name = rng.choice([name for name in setting.templates if name.endswith(".ts")])
    data: bytes = setting.templates[name]
    if rng.random() < 0.4:
        return data, name
    damaged, what = damage_bytes(rng, data, tags=TAGS)
    return damaged, f"{name} {what}"


def _text(rng: Random, setting: Setting) -> tuple[bytes, str]:
    """Return a text that names other files and addresses."""
    what = rng.choice(list(TEXTS))
    names = [each.format(outside=setting.outside) for each in rng.choices(NAMES, k=2)]
    return TEXTS[what].format(*names).encode(), f"{what} {names[0]}"


def _claim(rng: Random, setting: Setting) -> tuple[bytes, str]:
    if rng.random() < 0.3:
        return _slow(rng)
    suffix, data = rng.choice(CLAIMS)(rng)
    return data, f"{suffix} claim"


def _slow(rng: Random) -> tuple[bytes, str]:
    """Return a few frames that state how long they are shown."""
    rate = rng.choice(("1:3600", "1:2147483647", "1:60", "1:2", "2147483647:1", "0:0"))
    frames = b"FRAME\n" + rng.randbytes(16 * 16 * 3 // 2)
    return f"YUV4MPEG2 W16 H16 F{rate} C420\n".encode() + frames * rng.choice((1, 5)), rate


def _noise(rng: Random, setting: Setting) -> tuple[bytes, str]:
    return rng.randbytes(rng.choice((0, 1, 188, 5000, 300_000))), "noise"


def _use(case: Case) -> None:
    way, data = case.data["way"], case.path.read_bytes()
    rng = random_for(way, case.data["seed"])
    source = _as_standard_input(case.path) if way == "-" else WAYS[way](rng, data or b"\0")
    with source as name:
        _follow(name)
    if "capture" in {thread.name for thread in threading.enumerate()}:
        raise AssertionError("the thread that reads the stream goes on")


@contextlib.contextmanager
def _as_standard_input(path: Path) -> Iterator[str]:
    before = os.dup(0)
    try:
        with path.open("rb") as file:
            os.dup2(file.fileno(), 0)
            yield "-"
    finally:
        os.dup2(before, 0)
        os.close(before)


def _follow(name: str) -> None:
    """Take what a stream gives, up to its end or its first loss; raise its error."""
    from i3d_rgb_tf.timeline.capture import Capture
    from i3d_rgb_tf.timeline.waiting import Ended, Lost
    from i3d_rgb_tf.video.sources import parse_source

    num_frames, time_seconds = 0, 0.0
    source = parse_source(name)
    with Capture(source, size=224).running() as capture:
        while True:
            item: Any = capture.get(0.1)
            if isinstance(item, Ended) and item.error:
                raise item.error
            if isinstance(item, Ended) or (isinstance(item, Lost) and not source.ends):
                return
            if hasattr(item, "frames"):
                num_frames += _check_block(item, time_seconds)
                time_seconds = item.end_seconds
            if num_frames > _MOST_FRAMES:
                raise AssertionError(f"{num_frames} frames of a small stream")


def _check_block(block: Any, after_seconds: float) -> int:
    """Return how many frames there are, which are what they should be."""
    frames = block.frames
    if frames.dtype.name != "uint8" or frames.shape[1:] != (224, 224, 3) or len(frames) > 8:
        raise AssertionError(f"frames are {frames.shape} {frames.dtype}")
    if not after_seconds - 1e-6 <= block.start_seconds < 1e6:
        raise AssertionError(f"{block.start_seconds} s comes after {after_seconds} s")
    return len(frames)


KINDS = {
    "live": Kind(
        "live streams",
        "`timeline --live`",
        _make,
        _use,
        make_templates=make_templates,
        load=_load,
        imports=("av", "numpy", "i3d_rgb_tf.timeline.capture"),
        loopback=True,
    )
}
