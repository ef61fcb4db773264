"""Frozen graph -> IR: the only conversion calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from i3d_rgb_tf.architecture import OUTPUT_NAME
from i3d_rgb_tf.errors import ModelError, StorageError, last_line
from i3d_rgb_tf.graph import identify_frozen_graph, require_published
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.ir import Provenance, write_provenance
from i3d_rgb_tf.spec import ModelSpec, load_spec
from i3d_rgb_tf.storage import replaced_folder

__all__ = ["FLOAT_PRECISIONS", "FloatPrecision", "convert", "convert_graph", "save_ir"]

FloatPrecision = Literal["FP16", "FP32"]
FLOAT_PRECISIONS: tuple[FloatPrecision, ...] = get_args(FloatPrecision)


def convert(
    frozen_graph: Path,
    output: Path,
    *,
    precisions: Sequence[FloatPrecision] = FLOAT_PRECISIONS,
    allow_unknown: bool = False,
) -> list[Path]:
    """Convert a frozen graph and save it in a tree of the zoo.

    Parameters
    ----------
    frozen_graph
        The published graph, or one made by `i3d_rgb_tf.freeze`.
    output
        Root of the tree; the IR goes to ``public/i3d-rgb-tf/<precision>/i3d-rgb-tf.xml``.
    precisions
        What the weights are stored as.
    allow_unknown
        Whether weights that DeepMind did not publish are converted too, and named ``unknown``.

    Returns
    -------
    list of Path
        The .xml files, in the order of `precisions`.

    Raises
    ------
    StorageError
        The graph cannot be read or the IR not written.
    ModelError
        The file is not a frozen graph of this network.
    WeightsError
        The weights are not published ones and `allow_unknown` is False.
    """
    spec = load_spec()
    model = convert_graph(frozen_graph, allow_unknown=allow_unknown)
    paths = [spec.ir_path(output, precision) for precision in precisions]
    for precision, path in zip(precisions, paths, strict=True):
        save_ir(model, path, compress_to_fp16=precision == "FP16")
    return paths


def convert_graph(frozen_graph: Path, *, allow_unknown: bool = False) -> Any:
    """Convert a frozen graph to an ``openvino.Model`` in memory.

    Its input `Placeholder` is (1, 79, 3, 224, 224) float32, RGB, 0..255, its output `Softmax`
    (1, 400) float32. Raises as `convert` does.
    """
    weights = identify_frozen_graph(frozen_graph)
    require_published(frozen_graph, weights, allow_unknown=allow_unknown)
    model = _read(frozen_graph)
    spec = load_spec()
    model = _with_pixels_as_input(model, spec)
    model.set_friendly_name(spec.name)
    model.get_parameters()[0].set_friendly_name(spec.input_name)
    model.input(0).get_tensor().add_names({spec.input_name, f"{spec.input_name}:0"})
    # The tensor before the Result: naming the Result's own would replace its name.
    model.output(0).get_node().input_value(0).get_tensor().add_names(
        {OUTPUT_NAME, f"{OUTPUT_NAME}:0"}
    )
    _name_nodes(model)
    write_provenance(model, Provenance(weights, file_digest(frozen_graph, "sha384")))
    return model


def save_ir(model: Any, path: Path, *, compress_to_fp16: bool = False) -> None:
    """Save a model as `path` (.xml) and the .bin beside it, both or none.

    Raises
    ------
    StorageError
        The folder cannot be written.
    """
    import openvino

    names = (path.with_suffix(".bin").name, path.name)
    with replaced_folder(path.parent, names) as temporary:
        try:
            openvino.save_model(model, temporary / path.name, compress_to_fp16=compress_to_fp16)
        except RuntimeError as error:
            raise StorageError(
                f"cannot write {path}: {last_line(error)}; is the disk full?"
            ) from error


def _read(frozen_graph: Path) -> Any:
    """Read the graph and fold its batch norms into the convolutions.

    ``openvino.convert_model`` does the same two steps, and besides them reports the call to
    the vendor, for which it needs a network and three times as long.
    """
    import openvino
    from openvino._offline_transformations import apply_moc_transformations

    try:
        model = openvino.Core().read_model(frozen_graph)
        apply_moc_transformations(model, cf=False)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO cannot convert {frozen_graph}: {last_line(error)}") from error
    return model


def _name_nodes(model: Any) -> None:
    """Name nodes that have no name of the graph by their place, so that the IR is always the same.

    OpenVINO names them by a count of all nodes that the process ever made.
    """
    for place, node in enumerate(model.get_ordered_ops()):
        if re.fullmatch(r"[A-Za-z]+_\d+", node.get_friendly_name()):
            node.set_friendly_name(f"{node.get_type_name()}_{place}")


def _with_pixels_as_input(model: Any, spec: ModelSpec) -> Any:
    """Put the change of layout, the mean and the scale in front of the network."""
    from openvino import Layout
    from openvino.preprocess import PrePostProcessor

    processor = PrePostProcessor(model)
    tensor = processor.input(0)
    tensor.tensor().set_layout(Layout(spec.layout))
    tensor.model().set_layout(Layout(spec.source_layout))
    tensor.preprocess().mean(spec.mean).scale(spec.scale)
    return processor.build()
