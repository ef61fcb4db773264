"""Verify the frozen graph before the zoo's converter uses it, or freeze it from a checkpoint.

omz_converter runs this as ``pre-convert.py -- DOWNLOAD_FOLDER OUTPUT_FOLDER`` and stops unless the
exit status is 0. It runs in the zoo's environment, where only PyYAML is certain to be installed.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1 << 20
_CHECKPOINT_FOLDERS = ("", "rgb_imagenet", "rgb_scratch")
_INDEX = "model.ckpt.index"
_DATA = "model.ckpt.data-00000-of-00001"
_INSTALL = (
    "install it, on Python 3.10 or later, from a clone of its repository with: "
    "{} -m pip install '.[freeze]', or give omz_converter, after -p, the Python that has it"
)


def main(arguments: list[str]) -> int:
    """Verify or make the graph in the download folder; return the exit status."""
    file = _published_file(Path(__file__).resolve().parent / "model.yml")
    if file is None:
        return 0
    folders = [argument for argument in arguments if argument != "--"]
    if len(folders) != 2:
        return _failed(f"expected a download folder and an output folder, got {folders}")
    folder = Path(folders[0]).resolve()
    graph = folder / file["name"]
    if graph.is_file():
        return _check(graph, file)
    for name in _CHECKPOINT_FOLDERS:
        if all((folder / name / part).is_file() for part in (_INDEX, _DATA)):
            return _freeze(folder / name / _INDEX, folder)
    return _failed(
        f"neither {graph.name} nor a checkpoint ({_INDEX} and {_DATA}) is in {folder}; "
        "get the graph with: omz_downloader --name i3d-rgb-tf, or: i3d-rgb-tf download"
    )


def _published_file(path: Path) -> dict[str, Any] | None:
    """Return the frozen graph's name, size and checksum; None if model.yml is not this entry's.

    Installing the zoo's tools again restores their own model.yml and leaves this script beside it.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not str(document["input_info"][0]["layout"]).endswith("->NDCHW"):
            return None
        file: dict[str, Any] = document["files"][0]
        return {key: file[key] for key in ("name", "size", "checksum")}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError):
        return None


def _check(graph: Path, file: dict[str, Any]) -> int:
    """Accept the published file, or another graph with the tensors of a published weight set."""
    size = graph.stat().st_size
    if size == file["size"] and _sha384(graph) == file["checksum"]:
        return 0
    differs = "{} ({} bytes) is not the published file ({} bytes, SHA-384 {}...)".format(
        graph, size, file["size"], file["checksum"][:16]
    )
    try:
        from i3d_rgb_tf.weights import I3DError, identify_frozen_graph, require_published
    except ImportError as error:
        return _failed(
            f"{differs}, and its tensors cannot be verified without the package i3d-rgb-tf "
            f"({error}); download it again, or {_INSTALL.format(sys.executable)}"
        )
    try:
        weights = identify_frozen_graph(graph)
        require_published(graph, weights, allow_unknown=False)
    except I3DError as error:
        return _failed(f"{differs}, and {error}")
    print(f"{graph}: all tensors are those of {weights}")
    return 0


def _freeze(index: Path, folder: Path) -> int:
    """Make the graph from a checkpoint with the tensors of a published weight set."""
    try:
        from i3d_rgb_tf.weights import I3DError, adopt
    except ImportError as error:
        return _failed(
            f"freezing {index} needs the package i3d-rgb-tf ({error}); "
            + _INSTALL.format(sys.executable)
        )
    try:
        # The zoo's tools keep a model in ROOT/public/i3d-rgb-tf.
        graph = adopt(index, folder.parents[1])
    except I3DError as error:
        return _failed(str(error))
    print(f"{graph.path}: {graph.weights}, frozen from {index}")
    return 0


def _sha384(path: Path) -> str:
    digest = hashlib.sha384()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _failed(reason: str) -> int:
    print(f"pre-convert.py: error: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
