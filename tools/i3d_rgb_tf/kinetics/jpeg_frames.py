"""Write videos as folders of JPEG frames, the form that accuracy_check reads."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import DependencyError, VideoError
from i3d_rgb_tf.storage import storage_errors
from i3d_rgb_tf.temporary import temporary_folder
from i3d_rgb_tf.video.decode import read_frames

__all__ = ["check_pillow", "estimate_bytes", "extract_frames"]

_JPEG_QUALITY = 95
_FRAMES_OF_VIDEO = 250
"""Videos of Kinetics last 10 seconds."""
_SAMPLES = 8


def extract_frames(video: Path, tree: Path, name: str) -> int:
    """Write a video as ``tree/name/image_00001.jpg`` and so on, and return the number of frames.

    The frames have the video's own size, 25 per second. The folder appears when it is complete.

    Raises
    ------
    VideoError
        The video cannot be read.
    StorageError
        The frames cannot be written.
    """
    target = tree / name
    with storage_errors(target), temporary_folder(tree) as part:
        folder = part / "frames"
        folder.mkdir()
        number = 0
        for number, frame in enumerate(read_frames(video, short_side=None), 1):
            (folder / f"image_{number:05d}.jpg").write_bytes(_encode(frame))
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            # Never without a part of its frames, as it would be while they are deleted.
            target.replace(part / "earlier")
        folder.replace(target)
    return number


def estimate_bytes(videos: Sequence[Path]) -> int:
    """Return an estimate of the bytes that the frames need, from the first frames of some videos.

    Raises
    ------
    DependencyError
        Pillow is not installed.
    """
    check_pillow()
    step = max(1, len(videos) // _SAMPLES)
    sizes = []
    for video in videos[::step]:
        try:
            frame = next(read_frames(video, short_side=None))
        except (VideoError, StopIteration):
            continue
        sizes.append(len(_encode(frame)))
    mean = sum(sizes) / len(sizes) if sizes else 0
    return round(mean * _FRAMES_OF_VIDEO * len(videos))


def check_pillow() -> None:
    """Raise a `DependencyError` if Pillow is not installed."""
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise DependencyError(
            "writing frames needs Pillow; install it: pip install 'i3d-rgb-tf[evaluate]'"
        ) from error


def _encode(frame: NDArray[np.uint8]) -> bytes:
    """Return a frame as JPEG; on a full disk, Pillow itself would truncate a file silently."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()
