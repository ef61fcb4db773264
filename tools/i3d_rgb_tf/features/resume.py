"""Features of many videos into a folder; those that are finished are not made again."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_rgb_tf.errors import DatasetError, VideoError
from i3d_rgb_tf.features.extract import extract_features, network_facts
from i3d_rgb_tf.features.files import (
    Origin,
    WrittenFeatures,
    describe_written,
    has_foreign_arrays,
    is_complete,
    is_own,
    json_path,
    read_document,
    remove_leftovers,
    write_features,
)
from i3d_rgb_tf.features.settings import FeatureSettings
from i3d_rgb_tf.hashes import file_digest, model_digest
from i3d_rgb_tf.inference.networks import NetworkFacts, Networks
from i3d_rgb_tf.storage import check_writable
from i3d_rgb_tf.video.files import check_file_names

__all__ = ["extract_to_folder"]


def extract_to_folder(
    networks: Networks,
    videos: Sequence[str | Path],
    folder: Path,
    settings: FeatureSettings | None = None,
    *,
    overwrite: bool = False,
) -> Generator[WrittenFeatures | VideoError, None, None]:
    """Write the features of each video into a folder, and yield what was written.

    A video whose features are there, complete and made in the same way, is not read again. Before
    any work, the folder is checked: features that were made in another way are not replaced.

    Parameters
    ----------
    networks, settings
        As for `i3d_rgb_tf.features.extract.extract_features`.
    videos
        Paths of video files or animated GIFs, whose names differ in more than their endings.
    folder
        Where to write; it is made if needed.
    overwrite
        Whether features that were made in another way are replaced.

    Yields
    ------
    WrittenFeatures or VideoError
        One for each video, in order; an error, which is not raised, where it cannot be read.

    Raises
    ------
    DatasetError
        Two videos have the same name, or features are there that were made in another way.
    StorageError
        The folder cannot be written, or a file in it not be read.
    DeviceError, ModelError
        As for `i3d_rgb_tf.features.extract.extract_features`.
    """
    settings = settings or FeatureSettings()
    check_file_names(videos, ["_rgb.npy"])
    check_writable(folder)
    run = _Run(folder, settings, model_digest(networks.path), network_facts(networks, settings))
    finished = {
        video: written
        for video in videos
        if (written := run.find_finished(video, overwrite=overwrite))
    }
    return _extract(networks, videos, run, finished)


def _first_difference(document: dict[str, Any], origin: Origin) -> str:
    """Return the first thing in which finished features were made in another way, or nothing."""
    for place, expected in origin.as_values().items():
        found: Any = document
        for name in place.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        if found != expected:
            return f"{place} {found}, expected {expected}"
    return ""


@dataclass(frozen=True)
class _Run:
    """One run: where it writes, and what is the same for all its videos."""

    folder: Path
    settings: FeatureSettings
    model_sha256: str
    network: NetworkFacts

    def origin(self, video: str | Path) -> Origin:
        """Return what the features of a video depend on."""
        digest = file_digest(Path(video), "sha256")
        return Origin(digest, self.model_sha256, self.network, self.settings)

    def find_finished(self, video: str | Path, *, overwrite: bool) -> WrittenFeatures | None:
        """Return the features of a video that are there, complete and made in the same way.

        Raises
        ------
        DatasetError
            What is there was made in another way, and is not to be replaced.
        """
        path = json_path(self.folder, video)
        document = read_document(path)
        if document is None and not has_foreign_arrays(path):
            return None
        try:
            difference = self._find_difference(document, video)
        except OSError:
            # Whoever opens the video reports why it cannot be read.
            return None
        if not difference and not is_complete(document, path):
            return None
        if not difference:
            remove_leftovers(path, has_logits=self.settings.logits)
            return describe_written(path, str(video), document, is_new=False)
        if overwrite:
            return None
        what = path if document is not None else path.with_name(f"{path.stem}_*.npy")
        raise DatasetError(
            f"{what} {difference}; choose another output folder, or replace it with --overwrite"
        )

    def _find_difference(self, document: Any, video: str | Path) -> str:
        if not is_own(document):
            return "was not written by this program"
        difference = _first_difference(document, self.origin(video))
        return difference and f"was made in another way: {difference}"


def _extract(
    networks: Networks,
    videos: Sequence[str | Path],
    run: _Run,
    finished: dict[str | Path, WrittenFeatures],
) -> Generator[WrittenFeatures | VideoError, None, None]:
    origins: dict[str | Path, Origin] = {}

    def missing() -> Iterator[str | Path]:
        """Yield each video that is to be read, after noting what it is now."""
        for video in videos:
            if video not in finished:
                # Whoever opens the video reports why it cannot be read.
                with suppress(OSError):
                    origins[video] = run.origin(video)
                yield video

    with closing(extract_features(networks, missing(), run.settings)) as results:
        for video in videos:
            if video in finished:
                yield finished[video]
                continue
            result = next(results)
            if isinstance(result, VideoError):
                yield result
            elif video not in origins:
                yield VideoError(f"cannot read {video} for its digest; check the path")
            else:
                yield write_features(run.folder, result, origins[video])
