"""An installed model zoo: where it is, and what its files are, as digests."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from i3d_rgb_tf.errors import ZooError
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.spec import entry_folder, load_spec

__all__ = ["ZOO_PACKAGES", "Zoo", "entry_digests", "find_zoo"]

ZOO_PACKAGES = ("omz_tools", "openvino.model_zoo")
"""What the zoo's tools are imported as in openvino-dev 2024 and in 2023."""

_BYTE_CODE = "__pycache__"


@dataclass(frozen=True)
class Zoo:
    """A model zoo that the stock tools read."""

    model_root: Path
    """Its folder of models, with ``public/`` in it."""

    @property
    def entry(self) -> Path:
        """Return the folder of our model in it."""
        return load_spec().folder(self.model_root)

    @property
    def records(self) -> Path:
        """Return where we keep what was replaced: outside the model root.

        The tools take every ``model.yml`` under the model root for a model.
        """
        return self.model_root.parent / ".i3d-rgb-tf"


def find_zoo(folder: Path | None = None) -> Zoo:
    """Find the zoo installed in this environment, or the one in a folder.

    Parameters
    ----------
    folder
        A checkout of the zoo, or its folder of models.

    Raises
    ------
    ZooError
        There is none.
    """
    if folder is not None:
        for root in (folder / "models", folder):
            if (root / "public").is_dir():
                return Zoo(root.resolve())
        raise ZooError(
            f"there is no model zoo in {folder}: neither models/public nor public is there; "
            "give the root of a checkout of the zoo, or its folder of models"
        )
    for package in ZOO_PACKAGES:
        root = _package_folder(package) / "models"
        if (root / "public").is_dir():
            return Zoo(root.resolve())
    raise ZooError(
        "no model zoo is installed in this environment; install one with: "
        "pip install 'i3d-rgb-tf[omz]', or name a checkout with --zoo DIR"
    )


def entry_digests(folder: Path | None = None) -> dict[str, str]:
    """Return the SHA-256 of each file of an entry by its relative path, by default of our own.

    Compiled Python is left out; a folder that is not there has no files.
    """
    folder = folder or entry_folder()
    return {
        path.relative_to(folder).as_posix(): file_digest(path, "sha256")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _BYTE_CODE not in path.parts
    }


def _package_folder(package: str) -> Path:
    """Return the folder of a package without importing it, or one that does not exist."""
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        found = None
    locations = found.submodule_search_locations if found else None
    return Path(locations[0]) if locations else Path("missing")
