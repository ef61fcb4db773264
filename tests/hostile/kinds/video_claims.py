"""Small videos that state huge sizes, counts or durations."""

from __future__ import annotations

import struct
import zlib
from random import Random

from hostile.mutations import NUMBERS

__all__ = ["CLAIMS"]


def _gif_claim(rng: Random) -> tuple[str, bytes]:
    """Return a GIF of a huge screen, of long pauses, or of very many frames."""
    way = rng.choice(("screen", "picture", "pauses", "frames"))
    side = rng.choice((4000, 16000, 65535))
    width, height = {"screen": (side, side), "picture": (side, side)}.get(way, (1, 1))
    pause = 65535 if way == "pauses" else rng.choice((0, 4, 100))
    count = {"pauses": rng.choice((3, 100)), "frames": rng.choice((3000, 30000))}.get(way, 2)
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    inner = (width, height) if way == "picture" else (1, 1)
    frame = b"\x21\xf9\x04\0" + struct.pack("<H", pause) + b"\0\0"
    frame += b"\x2c\0\0\0\0" + struct.pack("<HHB", *inner, 0) + b"\x02\x02\x44\x01\0"
    return "gif", head + frame * count + b"\x3b"


def _png_claim(rng: Random) -> tuple[str, bytes]:
    side = rng.choice((20000, 65535, 0x7FFFFFFF))

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    control = chunk(b"acTL", struct.pack(">II", rng.choice(NUMBERS) & 0x7FFFFFFF, 0))
    frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, side, side, 0, 0, 65535, 1, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(rng.choice((100, 1 << 20)))))
    return "apng", b"\x89PNG\r\n\x1a\n" + head + control + frame + body + chunk(b"IEND", b"")


def _y4m_claim(rng: Random) -> tuple[str, bytes]:
    side = rng.choice((1, 2, 30000, 65536, 2147483647))
    rate = rng.choice(("25:1", "1:3600", "1:2147483647", "2147483647:1", "0:0"))
    head = f"YUV4MPEG2 W{side} H{rng.choice((side, 1))} F{rate} Ip A1:1 C420jpeg\n".encode()
    return "y4m", head + b"FRAME\n\x80\x80\x80\x80\x80\x80" * rng.choice((1, 100, 30000))


def _ivf_claim(rng: Random) -> tuple[str, bytes]:
    sides = (rng.choice((16, 65535)), rng.choice((16, 65535)))
    rate, count, size = (rng.choice((8, *NUMBERS)) & 0xFFFFFFFF for _ in range(3))
    codec = rng.choice((b"VP80", b"VP90", b"AV01"))
    head = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, codec, *sides, rate, 1, count, 0)
    return "ivf", head + (struct.pack("<IQ", size, rng.choice(NUMBERS)) + bytes(8)) * 3


def _avi_claim(rng: Random) -> tuple[str, bytes]:
    """Return an AVI of raw frames whose rate, size or length is not plausible."""
    width, height = rng.choice(((2, 2), (16000, 16000), (65535, 1), (1, 65535)))
    scale, rate = rng.choice(((1, 25), (0x7FFFFFFF, 1), (1, 0x7FFFFFFF), (3600, 1), (0, 0)))

    def part(tag: bytes, body: bytes) -> bytes:
        return tag + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)

    avih = struct.pack("<10I4I", 40000, 0, 0, 0x10, 0xFFFFFFFF, 0, 1, 0, width, height, 0, 0, 0, 0)
    strh = b"vidsDIB " + struct.pack(
        "<IHHIIIIIIII", 0, 0, 0, 0, scale, rate, 0, 0xFFFFFFFF, 0, 0, 0
    )
    strf = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    header = part(
        b"LIST",
        b"hdrl"
        + part(b"avih", avih)
        + part(b"LIST", b"strl" + part(b"strh", strh + bytes(8)) + part(b"strf", strf)),
    )
    frames = part(b"00db", bytes(16)) * rng.choice((2, 50, 20000))
    return "avi", part(b"RIFF", b"AVI " + header + part(b"LIST", b"movi" + frames))


CLAIMS = (_gif_claim, _gif_claim, _png_claim, _y4m_claim, _ivf_claim, _avi_claim)
"""Each returns the suffix and the content of a file."""
