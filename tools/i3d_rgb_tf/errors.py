"""Every exception of the package.

::

    I3DError
    ├── ModelError          (ValueError)    a graph or IR that is not this model, or is damaged
    ├── WeightsError        (ValueError)    weights that are not what they should be
    ├── ChecksumError       (ValueError)    bytes that are not the published ones
    ├── VideoError          (ValueError)    a video that cannot be read
    ├── DatasetError        (ValueError)    annotations or folders that cannot be used
    ├── QuantizationError   (ValueError)    an INT8 model that does not keep the predictions
    ├── DownloadError       (OSError)       a server that cannot be reached or misbehaves
    ├── StorageError        (OSError)       a file or folder that cannot be read or written
    ├── DeviceError         (RuntimeError)  a device or precision that is not available
    ├── ClusterError        (RuntimeError)  a Ray cluster that cannot be used
    ├── ZooError            (RuntimeError)  an installed model zoo that cannot be changed
    └── DependencyError     (ImportError)   an optional package that is not installed

A message says what is wrong, what was found, what was expected and what to do.
Only `i3d_rgb_tf.cli` turns an `I3DError` into one line on standard error.

Libraries in C++ raise built-in exceptions, `NATIVE_ERRORS`, and print lines of their own beside
them, which `silent_standard_error` drops.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = [
    "MEMORY_REMEDY",
    "NATIVE_ERRORS",
    "ChecksumError",
    "ClusterError",
    "DatasetError",
    "DependencyError",
    "DeviceError",
    "DownloadError",
    "I3DError",
    "LabelError",
    "ModelError",
    "QuantizationError",
    "StorageError",
    "VideoError",
    "WeightsError",
    "ZooError",
    "escape_controls",
    "last_line",
    "remedy_or_memory",
    "silent_standard_error",
]

NATIVE_ERRORS = (RuntimeError, ValueError, IndexError, OverflowError)
"""What pybind11 makes of a C++ exception: ``std::invalid_argument`` becomes a ValueError, and so
does a message that is not UTF-8. ``std::bad_alloc`` becomes a MemoryError, which is not here."""

_SILENCE = threading.RLock()
"""So that one thread does not restore what another has silenced."""

MEMORY_REMEDY = "close other programs, or give this one more memory"


_CONTROLS = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # The category Cc: line breaks, ESC, and the C1 controls, CSI among them.
    "\u2028\u2029"  # Line and paragraph separator.
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # The property Bidi_Control.
    "\ud800-\udfff"  # Bytes of a file name that are not text; a stream may write them as they are.
    "]"
)

_MOST_CHARACTERS = 1000
"""Longest message: a damaged file may state hundreds of shapes, and OpenVINO quotes whole files."""


class I3DError(Exception):
    """Base of every error this package raises on purpose."""

    def __str__(self) -> str:
        """Return the message as one line, with control characters, as of a file name, escaped."""
        return _shortened(escape_controls(super().__str__()))


class ModelError(I3DError, ValueError):
    """A graph or IR is not the I3D RGB model, or is damaged."""


class WeightsError(I3DError, ValueError):
    """Weights are missing tensors, have wrong shapes, or are not a published set."""


class ChecksumError(I3DError, ValueError):
    """Bytes differ in size or digest from the published ones."""


class VideoError(I3DError, ValueError):
    """A video is missing, empty, damaged, or has no video stream; or its frames cannot be used."""


class DatasetError(I3DError, ValueError):
    """Annotations, class names or folders of a data set cannot be used."""


class LabelError(I3DError, ValueError):
    """A name is none of the actions that the network knows."""


class QuantizationError(I3DError, ValueError):
    """An INT8 model does not keep the predictions of the model it was made from."""


class DownloadError(I3DError, OSError):
    """A server cannot be reached, or does not send the file."""


class StorageError(I3DError, OSError):
    """A file or folder cannot be read or written."""


class DeviceError(I3DError, RuntimeError):
    """A device or an inference precision is not available."""


class ClusterError(I3DError, RuntimeError):
    """A Ray cluster is not there, or one of its machines lacks something."""


class ZooError(I3DError, RuntimeError):
    """An installed model zoo is missing, unknown, or cannot be changed."""


class DependencyError(I3DError, ImportError):
    """An optional package is needed and not installed."""


def escape_controls(text: str, *, keep: str = "") -> str:
    r"""Return the text with control characters as escapes; everything printable stays.

    Parameters
    ----------
    text
        Any text.
    keep
        Control characters that stay as well.

    Examples
    --------
    >>> print(escape_controls("caf\u00e9\x1b[2J\r\n\u202e.mp4"))
    café\x1b[2J\r\n\u202e.mp4
    """

    def escape(found: re.Match[str]) -> str:
        character = found.group()
        return character if character in keep else character.encode("unicode_escape").decode()

    return _CONTROLS.sub(escape, text)


def last_line(error: Exception) -> str:
    r"""Return the last line of a long message, where OpenVINO and TensorFlow put the reason.

    >>> last_line(RuntimeError("Exception from core.cpp:98:\n  cannot open it\n"))
    'cannot open it'
    """
    # pybind11 raises this when the message is not UTF-8; the message is in it.
    text = error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else error
    lines = [line.strip() for line in str(text).split("\n") if line.strip()]
    line = lines[-1] if lines else type(error).__name__
    if line in ("std::bad_alloc", "MemoryError"):
        return "out of memory"
    return _shortened(line, _MOST_CHARACTERS // 2)


def _shortened(text: str, most: int = _MOST_CHARACTERS) -> str:
    """Leave out the middle of a text: what it is about comes first, and what to do last."""
    gap = " ... "
    half = (most - len(gap)) // 2
    return text if len(text) <= most else f"{text[:half]}{gap}{text[-half:]}"


def remedy_or_memory(error: Exception, remedy: str) -> str:
    """Return what to do about a library's error: `remedy`, unless the memory was not enough.

    >>> remedy_or_memory(RuntimeError("Failed to allocate 8 bytes of memory"), "convert again")
    'close other programs, or give this one more memory'
    """
    lacking = re.search(r"allocate .*memory|out of memory", last_line(error), re.IGNORECASE)
    return MEMORY_REMEDY if lacking or isinstance(error, MemoryError) else remedy


@contextmanager
def silent_standard_error() -> Iterator[None]:
    """Drop what the body, or a library in C++ that it calls, prints on standard error.

    It holds for the whole process, and for one thread at a time, so the body should be short.
    """
    with _SILENCE:
        yield from _silenced()


def _silenced() -> Iterator[None]:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:
        # It is closed: there is nothing to drop.
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
