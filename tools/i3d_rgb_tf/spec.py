"""model.yml as a frozen `ModelSpec`: names, sizes, checksums, shapes, conversion arguments."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from i3d_rgb_tf.choices import Layout, Precision
from i3d_rgb_tf.errors import ModelError
from i3d_rgb_tf.hashes import Checksum

__all__ = ["ModelSpec", "SourceFile", "entry_folder", "load_spec", "read_document"]

_NAME = "i3d-rgb-tf"
_AXES = "NDHWC"
"""Of the frozen graph's input, and of every other layout in another order."""


@dataclass(frozen=True)
class SourceFile:
    """A file the zoo publishes."""

    name: str
    """File name in the download folder."""
    checksum: Checksum
    """Its exact size and SHA-384 digest."""
    urls: tuple[str, ...]
    """Where it is, the zoo's storage first."""


@dataclass(frozen=True)
class ModelSpec:
    """The zoo's description of the model."""

    name: str
    """Name of the model and of its folder."""
    description: str
    """One paragraph."""
    frozen_graph: SourceFile
    """The published TensorFlow graph."""
    input_name: str
    """Name of the input in the frozen graph and in the IR."""
    source_layout: str
    """Axes of the frozen graph's input, NDHWC."""
    source_shape: tuple[int, ...]
    """Shape of the frozen graph's input: batch, frames, height, width, colours."""
    layout: Layout
    """Axes of the converted model's input, NDCHW."""
    mean: float
    """Subtracted from a pixel value 0..255 inside the converted model."""
    scale: float
    """Divides the difference, inside the converted model."""

    @property
    def num_frames(self) -> int:
        """Frames in a clip: 79."""
        return self.source_shape[self.source_layout.index("D")]

    @property
    def frame_size(self) -> int:
        """Height and width of a frame in pixels: 224."""
        return self.source_shape[self.source_layout.index("H")]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the converted model's input: 1, 79, 3, 224, 224."""
        return tuple(self.source_shape[self.source_layout.index(axis)] for axis in self.layout)

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """Shape of a clip, channels-last: 79, 224, 224, 3."""
        num_colours = self.source_shape[self.source_layout.index("C")]
        return self.num_frames, self.frame_size, self.frame_size, num_colours

    def folder(self, root: Path) -> Path:
        """Return the model's folder in a model tree, ``ROOT/public/i3d-rgb-tf``."""
        return root / "public" / self.name

    def frozen_graph_path(self, root: Path) -> Path:
        """Return where the zoo's tools keep the frozen graph."""
        return self.folder(root) / self.frozen_graph.name

    def ir_path(self, root: Path, precision: Precision, layout: Layout | None = None) -> Path:
        """Return where the zoo's tools keep the IR of a precision; other layouts are beside it."""
        suffix = f"-{layout.lower()}" if layout and layout != self.layout else ""
        return self.folder(root) / precision / f"{self.name}{suffix}.xml"


@lru_cache
def entry_folder() -> Path:
    """Return the zoo entry: inside an installed package, else beside the sources.

    Raises
    ------
    ModelError
        Neither place has it: the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    places = (package / "zoo_entry", package.parents[1] / "models")
    for place in places:
        entry = place / "public" / _NAME
        if (entry / "model.yml").is_file():
            return entry
    raise ModelError(
        f"the zoo entry {_NAME} is neither in {places[0]} nor in {places[1]}; "
        "install i3d-rgb-tf again"
    )


@lru_cache
def load_spec(path: Path | None = None) -> ModelSpec:
    """Read a model.yml, by default the one of the bundled zoo entry.

    Raises
    ------
    ModelError
        The file is missing, is not YAML, or lacks something the package needs.
    """
    path = path or entry_folder() / "model.yml"
    document = read_document(path)
    try:
        return _parse(document)
    except (LookupError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} does not describe {_NAME}: {type(error).__name__} {error}; "
            "expected the zoo's schema with one file, one input, mean and scale"
        ) from error


def read_document(path: Path) -> Any:
    """Read a YAML file into lists, dictionaries and strings, and nothing else.

    A reference to another part of the file, as ``*name``, is refused: a few lines of them can
    stand for more than the memory holds.

    Raises
    ------
    ModelError
        The file cannot be read, or is not YAML of this kind.
    """
    import yaml

    class Loader(yaml.BaseLoader):
        def compose_node(self, *arguments: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("it has an alias (*name), expected none")
            return super().compose_node(*arguments)

    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}; check the path") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path} is not YAML that can be read: {reason}") from error


def _parse(document: Any) -> ModelSpec:
    (file,) = document["files"]
    (tensor,) = document["input_info"]
    source_layout, layout = _text(tensor["layout"]).split("->")
    shape = tuple(int(_text(size)) for size in tensor["shape"])
    if not (sorted(source_layout) == sorted(layout) == sorted(_AXES) and len(shape) == len(_AXES)):
        raise ValueError(f"layout {source_layout}->{layout}, shape {shape}")
    name, size = _text(file["name"]), int(_text(file["size"]))
    if min(size, *shape) < 1:
        raise ValueError(f"size {size}, shape {shape}")
    if name in ("", ".", "..") or set("/\\\0") & set(name):
        raise ValueError(f"file name {name!r}")
    arguments = " ".join(document["model_optimizer_args"])
    mean, scale = _argument(arguments, "mean_values"), _argument(arguments, "scale_values")
    if not (math.isfinite(mean) and 0 < scale < math.inf):
        raise ValueError(f"mean {mean}, scale {scale}")
    return ModelSpec(
        name=_NAME,
        description=_text(document["description"]),
        frozen_graph=SourceFile(
            name=name,
            checksum=Checksum("sha384", _text(file["checksum"]), size),
            urls=tuple(_text(file[key]) for key in ("source", "original_source") if key in file),
        ),
        input_name=_text(tensor["name"]),
        source_layout=source_layout,
        source_shape=shape,
        layout=cast("Layout", layout),
        mean=mean,
        scale=scale,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__}, expected one value")
    return value


def _argument(arguments: str, name: str) -> float:
    """Return the one value of ``--name=Input[value]``."""
    found = re.search(rf"--{name}=\w+\[([\d.]+)\]", arguments)
    if found is None:
        raise KeyError(name)
    return float(found[1])
