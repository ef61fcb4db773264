"""Convert a frozen graph to an OpenVINO IR in a layout; no other module converts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from i3d_rgb_tf.architecture import OUTPUT_NAME
from i3d_rgb_tf.choices import FLOAT_PRECISIONS, LAYOUTS, PRECISIONS, Layout, Precision
from i3d_rgb_tf.errors import (
    NATIVE_ERRORS,
    ModelError,
    last_line,
    remedy_or_memory,
    silent_standard_error,
)
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.ir.files import read_ir, save_ir
from i3d_rgb_tf.ir.layouts import change_layout
from i3d_rgb_tf.ir.metadata import (
    Provenance,
    keep_own_section,
    write_model_api_section,
    write_provenance,
)
from i3d_rgb_tf.spec import ModelSpec, load_spec
from i3d_rgb_tf.weights.frozen_graph import identify_frozen_graph, require_published

__all__ = ["convert", "convert_graph"]


def convert(
    frozen_graph: str | Path,
    output: str | Path,
    *,
    precisions: Sequence[Precision] = FLOAT_PRECISIONS,
    layout: Layout = "NDCHW",
    allow_unknown: bool = False,
) -> list[Path]:
    """Convert a frozen graph and save it in a model tree.

    In another layout than the zoo's, the model is the same behind a transpose, and has a name of
    its own, such as ``i3d-rgb-tf-ndhwc.xml``.

    Parameters
    ----------
    frozen_graph
        The published graph, or one made by `i3d_rgb_tf.weights.freeze`; not read if only INT8 is
        wanted.
    output
        Root of the tree; the IR goes to ``public/i3d-rgb-tf/<precision>/i3d-rgb-tf.xml``.
    precisions
        Types of the stored weights; each gives one IR. ``FP16-INT8`` is possible in another layout
        than the zoo's: it is made from the INT8 IR in `output`, without a new calibration.
    layout
        The axes of the input; `i3d_rgb_tf.choices.LAYOUTS` says who wants which.
    allow_unknown
        Whether to convert weights that DeepMind did not publish; the IR calls them ``unknown``.

    Returns
    -------
    list of Path
        The .xml files, in the order of `precisions`.

    Raises
    ------
    StorageError
        The graph cannot be read, or an IR cannot be written.
    ModelError
        The file is not a frozen graph of this network, or INT8 is wanted and `quantize` has not
        made it yet.
    WeightsError
        DeepMind did not publish the weights, and `allow_unknown` is False.
    """
    _check_choices(precisions, layout)
    spec, output = load_spec(), Path(output)
    models: dict[Precision, Any] = {}
    if set(precisions) != {"FP16-INT8"}:
        of_graph = convert_graph(Path(frozen_graph), allow_unknown=allow_unknown)
        models = dict.fromkeys(FLOAT_PRECISIONS, _in_layout(of_graph, layout))
    if "FP16-INT8" in precisions:
        int8 = _read_int8(spec.ir_path(output, "FP16-INT8"), layout)
        models["FP16-INT8"] = _in_layout(int8, layout)
    paths = [spec.ir_path(output, precision, layout) for precision in precisions]
    for precision, path in zip(precisions, paths, strict=True):
        save_ir(models[precision], path, compress_to_fp16=precision != "FP32")
    return paths


def convert_graph(frozen_graph: Path, *, allow_unknown: bool = False) -> Any:
    """Convert a frozen graph to an ``openvino.Model`` in memory.

    Its input `Placeholder` is (1, 79, 3, 224, 224) float32, RGB, 0..255; its output `Softmax` is
    (1, 400) float32. It raises the errors of `convert`.
    """
    weights = identify_frozen_graph(frozen_graph)
    require_published(frozen_graph, weights, allow_unknown=allow_unknown)
    model = _read(frozen_graph)
    spec = load_spec()
    model = _with_pixels_as_input(model, spec)
    model.set_friendly_name(spec.name)
    model.get_parameters()[0].set_friendly_name(spec.input_name)
    model.input(0).get_tensor().add_names({spec.input_name, f"{spec.input_name}:0"})
    # Added to the Result's own tensor, the names would replace the one that it has.
    model.output(0).get_node().input_value(0).get_tensor().add_names(
        {OUTPUT_NAME, f"{OUTPUT_NAME}:0"}
    )
    _name_nodes(model)
    write_provenance(model, Provenance(weights, file_digest(frozen_graph, "sha384")))
    return model


def _check_choices(precisions: Sequence[Precision], layout: Layout) -> None:
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r}, expected {', '.join(LAYOUTS)}")
    if not precisions:
        raise ValueError(f"there are no precisions, expected a list of {', '.join(PRECISIONS)}")
    for precision in precisions:
        if precision not in PRECISIONS:
            raise ValueError(f"precision {precision!r}, expected a list of {', '.join(PRECISIONS)}")


def _in_layout(model: Any, layout: Layout) -> Any:
    """Change the layout of a model, and record what the tool that wants it reads."""
    change_layout(model, layout)
    if layout == "NSTHWC":
        write_model_api_section(model)
    return model


def _read_int8(path: Path, layout: Layout) -> Any:
    """Read the INT8 IR in the zoo's layout, to change its layout."""
    remedy = "make it with: i3d-rgb-tf quantize"
    if layout == load_spec().layout:
        raise ModelError(f"convert does not make FP16-INT8 in {layout}; {remedy}")
    if not path.is_file():
        raise ModelError(f"no INT8 model at {path}, to change its layout to {layout}; {remedy}")
    model = read_ir(path)
    keep_own_section(model)
    return model


def _read(frozen_graph: Path) -> Any:
    """Read the graph and fold its batch norms into the convolutions.

    ``openvino.convert_model`` takes the same two steps, but it also sends telemetry, so it needs
    the internet and three times as long.
    """
    import openvino
    from openvino._offline_transformations import apply_moc_transformations

    try:
        # Each of its parsers tries the file, and complains about names that are damaged.
        with silent_standard_error():
            model = openvino.Core().read_model(frozen_graph)
        apply_moc_transformations(model, cf=False)
    except (*NATIVE_ERRORS, MemoryError) as error:
        remedy = remedy_or_memory(error, "it may be damaged; download it again")
        raise ModelError(
            f"OpenVINO cannot convert {frozen_graph}: {last_line(error)}; {remedy}"
        ) from error
    return model


def _name_nodes(model: Any) -> None:
    """Name the nodes that OpenVINO added by their position, so that the IR is always the same.

    OpenVINO numbers them across the whole process.
    """
    for position, node in enumerate(model.get_ordered_ops()):
        if re.fullmatch(r"[A-Za-z]+_\d+", node.get_friendly_name()):
            node.set_friendly_name(f"{node.get_type_name()}_{position}")


def _with_pixels_as_input(model: Any, spec: ModelSpec) -> Any:
    """Add the change of layout, the mean and the scale before the network."""
    from openvino import Layout
    from openvino.preprocess import PrePostProcessor

    processor = PrePostProcessor(model)
    tensor = processor.input(0)
    tensor.tensor().set_layout(Layout(spec.layout))
    tensor.model().set_layout(Layout(spec.source_layout))
    tensor.preprocess().mean(spec.mean).scale(spec.scale)
    return processor.build()
