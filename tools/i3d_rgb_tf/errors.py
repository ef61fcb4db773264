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
    ├── ZooError            (RuntimeError)  an installed model zoo that cannot be changed
    └── DependencyError     (ImportError)   an optional package that is not installed

A message says what is wrong, what was found, what was expected and what to do.
Only `i3d_rgb_tf.cli` turns an `I3DError` into one line on standard error.
"""

from __future__ import annotations

__all__ = [
    "ChecksumError",
    "DatasetError",
    "DependencyError",
    "DeviceError",
    "DownloadError",
    "I3DError",
    "ModelError",
    "QuantizationError",
    "StorageError",
    "VideoError",
    "WeightsError",
    "ZooError",
    "last_line",
]


class I3DError(Exception):
    """Base of every error this package raises on purpose."""

    def __str__(self) -> str:
        """Return the message on one line, though the name of a file in it may hold a line break."""
        return " ".join(super().__str__().splitlines())


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


class QuantizationError(I3DError, ValueError):
    """An INT8 model does not keep the predictions of the model it was made from."""


class DownloadError(I3DError, OSError):
    """A server cannot be reached, or does not send the file."""


class StorageError(I3DError, OSError):
    """A file or folder cannot be read or written."""


class DeviceError(I3DError, RuntimeError):
    """A device or an inference precision is not available."""


class ZooError(I3DError, RuntimeError):
    """An installed model zoo is missing, unknown, or cannot be changed."""


class DependencyError(I3DError, ImportError):
    """An optional package is needed and not installed."""


def last_line(error: Exception) -> str:
    r"""Return the last line of a long message, where OpenVINO and TensorFlow put the reason.

    >>> last_line(RuntimeError("Exception from core.cpp:98:\n  cannot open it\n"))
    'cannot open it'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
