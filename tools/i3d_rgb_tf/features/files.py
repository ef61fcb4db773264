"""Features on disk: NumPy files named as those of video_features, and a JSON that explains them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_rgb_tf.errors import StorageError
from i3d_rgb_tf.features.result import Features
from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.inference.networks import NetworkFacts
from i3d_rgb_tf.storage import replaced_folder, storage_errors
from i3d_rgb_tf.version import __version__
from i3d_rgb_tf.video.crops import CROP_NAMES

__all__ = [
    "Origin",
    "WrittenFeatures",
    "describe_written",
    "has_foreign_arrays",
    "is_complete",
    "is_own",
    "json_path",
    "read_document",
    "remove_leftovers",
    "write_features",
]

_FORMAT = "features of i3d-rgb-tf"
"""How a JSON says that it is one of these: others may be in the same folder."""
_ARRAYS = ("rgb", "fps", "timestamps_ms")
_LOGITS = "logits"
"""Keys in the names of the files."""


@dataclass(frozen=True)
class Origin:
    """All that decides the features of a video, to recognise those that are finished."""

    video_sha256: str
    """Digest of the video file."""
    model_sha256: str
    """Digest of the IR, its .xml and then its .bin."""
    network: NetworkFacts
    """How the IR runs."""
    settings: FeatureSettings
    """How the features are made."""

    def as_values(self) -> dict[str, object]:
        """Return each value by its place in the JSON, except the path of the IR."""
        network = asdict(self.network)
        del network["model"]
        return {
            "version": __version__,
            "video.sha256": self.video_sha256,
            "network.model_sha256": self.model_sha256,
            **{f"network.{name}": value for name, value in network.items()},
            **{f"settings.{name}": value for name, value in asdict(self.settings).items()},
        }


@dataclass(frozen=True)
class WrittenFeatures:
    """The files of the features of one video."""

    video: str
    """Path of the video as it was given."""
    path: Path
    """The JSON; the other files are beside it."""
    shape: tuple[int, ...]
    """Shape of the features."""
    duration_seconds: float
    """Length of the video."""
    is_repeated: bool
    """Whether the video was too short and was repeated."""
    is_new: bool
    """False if they were there already."""


def json_path(folder: Path, video: str | Path) -> Path:
    """Return the JSON that says the features of a video are finished.

    >>> json_path(Path("out"), "clips/cricket.mp4").as_posix()
    'out/cricket.json'
    """
    return folder / f"{Path(video).stem}.json"


def write_features(folder: Path, features: Features, origin: Origin) -> WrittenFeatures:
    """Write the features of a video into a folder, and last the JSON with which they are finished.

    Parameters
    ----------
    folder
        It is made if needed. Files of the same video are replaced.
    features
        What to write.
    origin
        What they depend on.

    Raises
    ------
    StorageError
        The files cannot be written.
    """
    stem = Path(features.video).stem
    arrays = _arrays(features)
    names = {key: _file_name(stem, key) for key in arrays}
    path = json_path(folder, features.video)
    mark = _unfinished(path)
    with replaced_folder(folder, (mark.name, *names.values(), path.name)) as temporary:
        (temporary / mark.name).touch()
        for key, array in arrays.items():
            np.save(temporary / names[key], array, allow_pickle=False)
        document = _document(features, origin)
        document["files"] = {
            key: {
                "name": names[key],
                "shape": list(array.shape),
                "dtype": str(array.dtype),
                "sha256": file_digest(temporary / names[key], "sha256"),
            }
            for key, array in arrays.items()
        }
        text = json.dumps(document, indent=1) + "\n"
        (temporary / path.name).write_text(text, encoding="utf-8")
    remove_leftovers(path, has_logits=_LOGITS in arrays)
    return describe_written(path, features.video, document, is_new=True)


def has_foreign_arrays(path: Path) -> bool:
    """Return whether arrays with the names of these are there that another program has written.

    They have no JSON, and no mark that this program was ended while it wrote them.
    """
    if path.exists() or _unfinished(path).exists():
        return False
    names = (_file_name(path.stem, key) for key in (*_ARRAYS, _LOGITS))
    return any(path.with_name(name).exists() for name in names)


def _unfinished(path: Path) -> Path:
    """Return the file that marks arrays whose JSON is not there yet."""
    return path.with_name(f"{path.stem}.unfinished")


def describe_written(
    path: Path, video: str, document: dict[str, Any], *, is_new: bool
) -> WrittenFeatures:
    """Return what a document at `path` says of the features of a video."""
    return WrittenFeatures(
        video,
        path,
        tuple(document["files"]["rgb"]["shape"]),
        document["duration_seconds"],
        document["is_repeated"],
        is_new,
    )


def remove_leftovers(path: Path, *, has_logits: bool) -> None:
    """Remove what an ended run has left beside finished features, if its mark is there.

    Raises
    ------
    StorageError
        It cannot be removed.
    """
    mark, logits = _unfinished(path), path.with_name(_file_name(path.stem, _LOGITS))
    if not mark.exists():
        return
    # The mark goes last, so that a run that is ended here can be resumed.
    for leftover in [mark] if has_logits else [logits, mark]:
        with storage_errors(leftover, "remove"):
            leftover.unlink(missing_ok=True)


def read_document(path: Path) -> Any:
    """Return the document in a JSON file; None if there is none, or nothing in it.

    Where the file is not JSON, the document is an empty one, which is of nobody.

    Raises
    ------
    StorageError
        The file is there and cannot be read.
    """
    try:
        with storage_errors(path, "read"):
            text = path.read_text(encoding="utf-8")
            # After a power cut, a file may be empty.
            return json.loads(text) if text.strip("\0") else None
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    except (ValueError, RecursionError):
        return {}


def is_own(document: Any) -> bool:
    """Return whether a document is one of those that `write_features` writes."""
    return isinstance(document, dict) and document.get("format") == _FORMAT


def is_complete(document: dict[str, Any], path: Path) -> bool:
    """Return whether the files that belong to a document at `path` are beside it, undamaged."""
    try:
        written = describe_written(path, "", document, is_new=False)
        has_logits = bool(document["settings"]["logits"])
        keys = (*_ARRAYS, *[_LOGITS] * has_logits)
        return _is_possible(written) and all(
            _is_intact(path, key, document["files"][key]) for key in keys
        )
    except (OSError, LookupError, TypeError):
        return False


def _is_possible(written: WrittenFeatures) -> bool:
    """Return whether what a document says has the types that it is written with."""
    return (
        all(isinstance(size, int) for size in written.shape)
        and isinstance(written.duration_seconds, float)
        and math.isfinite(written.duration_seconds)
        and isinstance(written.is_repeated, bool)
    )


def _is_intact(path: Path, key: str, file: Mapping[str, Any]) -> bool:
    digest = file_digest(path.with_name(_file_name(path.stem, key)), "sha256")
    return bool(digest == file["sha256"])


def _file_name(stem: str, key: str) -> str:
    return f"{stem}_{key}.npy"


def _arrays(features: Features) -> dict[str, NDArray[Any]]:
    values = features.features, np.array(features.frames_per_second), 1000 * _moments(features)
    arrays: dict[str, NDArray[Any]] = dict(zip(_ARRAYS, values, strict=True))
    if features.logits is not None:
        arrays[_LOGITS] = features.logits
    return arrays


def _moments(features: Features) -> NDArray[np.float64]:
    """Return the time of each row as video_features defines it: where its window ends.

    It has no dense pass, whose extents overlap by most of their length, so there it is the centre.
    """
    return features.times_seconds if features.settings.is_dense else features.end_seconds


def _document(features: Features, origin: Origin) -> dict[str, Any]:
    last, settings = features.last_window, features.settings
    return {
        "format": _FORMAT,
        "version": __version__,
        "video": {"path": features.video, "sha256": origin.video_sha256},
        "frames_per_second": features.frames_per_second,
        "num_frames": features.num_frames,
        "duration_seconds": features.duration_seconds,
        "is_repeated": features.is_repeated,
        "settings": {"kind": "dense" if settings.is_dense else "windows", **asdict(settings)},
        "last_window": asdict(last) if last else None,
        "crops": list(CROP_NAMES[settings.crops]),
        "network": {**asdict(origin.network), "model_sha256": origin.model_sha256},
        "timestamps_ms": "centre of each row" if settings.is_dense else "end of each row",
        "times_seconds": features.times_seconds.tolist(),
        "start_seconds": features.start_seconds.tolist(),
        "end_seconds": features.end_seconds.tolist(),
    }
