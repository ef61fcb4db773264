"""Videos: small ones of many containers and codecs, damaged; claims; texts that name files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from hostile.cases import Case, Kind, Setting
from hostile.kinds.video_claims import CLAIMS
from hostile.kinds.video_templates import make_templates
from hostile.kinds.video_texts import NAMES, TEXTS
from hostile.mutations import damage_bytes

__all__ = ["KINDS", "TAGS", "load_templates"]

TAGS = (
    *(b"moov mvhd tkhd mdhd stsd stts ctts stsc stsz stco elst mdat avc1 avcC hvcC av1C".split()),
    *(b"moof traf tfhd trun sidx avih strh strf idx1 movi vids LIST dmlh indx ix00".split()),
    *(b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75", b"\x2a\xd7\xb1", b"\x44\x89"),
    *(b"\xb0", b"\xba", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"\x00\x00\x01\xe0"),
    *(b"GIF89a", b"\x21\xf9\x04", b"\x2c\0\0\0\0", b"FLV\x01", b"onMetaData", b"duration"),
    *(b"IHDR", b"acTL", b"fcTL", b"fdAT", b"DKIF", b"OggS", b"VP8X", b"ANMF", b".RMF", b"\x47\x40"),
)


def load_templates(folder: Path) -> dict[str, bytes]:
    import av

    templates = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    # The first container loads what later ones share.
    with av.open(str(next(iter(sorted(folder.glob("*.mp4")))))) as container:
        list(islice(container.decode(video=0), 1))
    from i3d_rgb_tf.video import clips  # noqa: F401

    return templates


def _make(rng: Random, setting: Setting) -> Case:
    way = rng.choices((_damaged, _text, _claim, _odd_name), (86, 6, 5, 3))[0]
    suffix, data, what, reads = way(rng, setting)
    stem = "clip" if way is not _odd_name else rng.choice(_ODD_STEMS)
    path = setting.folder / f"{stem}.{suffix}"
    path.write_bytes(data)
    how = rng.choice(("clips", "frames", "native", "frames"))
    return Case(
        path, f"{what} {how}", names=("clip",), reads=(path.name, *reads), data={"how": how}
    )


_ODD_STEMS = (
    "clip\x1b[2J",
    "clip\nnext",
    "clip\udcff",
    "file:clip",
    "clip:x",
    "clip%03d",
    "clip\u202e",
)

_BOXES = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")
"""On the way to the data reference of an MP4."""

_Made = tuple[str, bytes, str, tuple[str, ...]]


def _damaged(rng: Random, setting: Setting) -> _Made:
    templates: dict[str, bytes] = setting.templates
    name = rng.choice(list(templates))
    suffix = name.rpartition(".")[2]
    if rng.random() < 0.02:
        return suffix, templates[name], f"{name} as it is", ()
    same = [data for other, data in templates.items() if other.endswith(suffix)]
    others = same if rng.random() < 0.6 else list(templates.values())
    data, what = damage_bytes(rng, templates[name], others, tags=TAGS)
    if rng.random() < 0.05:
        suffix = rng.choice(("mp4", "avi", "ts", "mkv", "gif", "txt", "mpd", "m3u8", "jpg"))
    return suffix, data, f"{name} {what}", ()


def _odd_name(rng: Random, setting: Setting) -> _Made:
    suffix, data, what, reads = _damaged(rng, setting)
    return suffix, data, f"{what} odd name", reads


def _text(rng: Random, setting: Setting) -> _Made:
    """Return a text that names other files; those beside it exist."""
    what = rng.choice(list(TEXTS))
    places = {"outside": setting.outside}
    first, second = (each.format(**places) for each in rng.choices(NAMES, k=2))
    data = TEXTS[what].format(first, second).encode()
    for name in ("neighbour.mp4", "neighbour.ts", "neighbour001.png"):
        (setting.folder / name).write_bytes(b"nothing may open this\n")
    if rng.random() < 0.2:
        data, more = damage_bytes(rng, data)
        what += f" {more}"
    if rng.random() < 0.2:
        mp4 = next(each for name, each in setting.templates.items() if name.endswith("mp4"))
        data = _with_external_reference(mp4, first)
        what = "external reference"
    suffix = rng.choice(("mp4", "ts", "m3u8", "mpd", "avi", "mkv", "gif", "txt", "sdp", "ffconcat"))
    return suffix, data, f"{what} {first}", ()


def _with_external_reference(data: bytes, name: str) -> bytes:
    """Let the data reference of an MP4 name another file, as QuickTime's reference movies do."""
    short = name.encode()[-63:]
    alias = bytes(10) + b"\0" + bytes(27 + 12) + bytes([len(short)]) + short.ljust(63, b"\0")
    alias += bytes(16) + struct.pack(">HH", 1, 1) + bytes(16)
    alias += struct.pack(">HH", 2, len(name)) + name.encode() + struct.pack(">hH", -1, 0)
    return _with_reference(data, struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias)


def _with_reference(data: bytes, box: bytes, inside: tuple[bytes, ...] = _BOXES) -> bytes:
    """Return boxes in which the first of `inside` holds, level by level, `box` in the last."""
    if not inside:
        return box
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind == inside[0]:
            # A data reference has 8 bytes of its own before what is in it.
            start = place + (16 if kind == b"dref" else 8)
            content = _with_reference(data[start : place + size], box, inside[1:])
            head = struct.pack(">I", start - place + len(content))
            return data[:place] + head + data[place + 4 : start] + content + data[place + size :]
        place += max(8, size)
    return data


def _claim(rng: Random, setting: Setting) -> _Made:
    """Return a small file that states a huge size, count or duration."""
    suffix, data = rng.choice(CLAIMS)(rng)
    return suffix, data, "claim", ()


def _use(case: Case) -> int:
    from i3d_rgb_tf.video.clips import read_clips
    from i3d_rgb_tf.video.decode import read_frames

    path = case.path
    readers: dict[str, Any] = {
        "clips": lambda: (clip.frames for clip in read_clips(path, num_frames=79, size=224)),
        "frames": lambda: read_frames(path),
        "native": lambda: read_frames(path, frames_per_second=None, short_side=None),
    }
    return _count(readers[case.data["how"]]())


def _count(arrays: Iterator[Any]) -> int:
    count = 0
    for array in arrays:
        count += 1
        if array.shape[-1] != 3 or array.dtype.name != "uint8":
            raise AssertionError(f"a frame is {array.shape} {array.dtype}")
    return count


KINDS = {
    "video": Kind(
        "videos",
        "`read_frames`, `read_clips`",
        _make,
        _use,
        make_templates=make_templates,
        load=load_templates,
        imports=("av", "numpy", "i3d_rgb_tf.video.clips", "i3d_rgb_tf.classify"),
    )
}
