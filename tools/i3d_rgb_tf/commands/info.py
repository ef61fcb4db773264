"""Show versions, paths, and the contents of a model tree."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLES = """\
  i3d-rgb-tf info
  i3d-rgb-tf info -d models --format json
  accuracy_check -c "$(i3d-rgb-tf info --accuracy-check)" -m models/public/i3d-rgb-tf/FP32 -s data
  omz_converter --name i3d-rgb-tf --mo "$(i3d-rgb-tf info --mo)"
"""

_PACKAGES = ("openvino", "numpy", "av", "tensorflow", "nncf", "openvino-dev")
"""Distributions whose versions decide what works."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_directory, add_format

    add_directory(parser)
    what = parser.add_mutually_exclusive_group()
    add_format(parser)
    for name, path, help_text in (
        ("--entry", _entry, "print only the folder of the zoo entry"),
        ("--accuracy-check", _accuracy_check, "print only the path of accuracy-check.yml"),
        ("--mo", _mo, "print only the path to give to omz_converter --mo"),
    ):
        what.add_argument(name, dest="path", action="store_const", const=path, help=help_text)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.commands.terminal import print_json, print_lines

    path: Callable[[], Path] | None = arguments.path
    if path:
        print_lines(path())
        return 0
    document = _document(arguments.directory)
    if arguments.format == "json":
        print_json(document)
    else:
        print_lines(*_lines(document))
    return 0


def _entry() -> Path:
    from i3d_rgb_tf.spec import entry_folder

    return entry_folder()


def _accuracy_check() -> Path:
    return _entry() / "accuracy-check.yml"


def _mo() -> Path:
    # omz_converter resolves links before it looks for the suffix .py.
    return Path(__file__).resolve().parents[1] / "zoo" / "mo.py"


def _document(root: Path) -> dict[str, Any]:
    from i3d_rgb_tf.choices import PRECISIONS
    from i3d_rgb_tf.commands import COMMANDS
    from i3d_rgb_tf.ir.files import display_name, list_models
    from i3d_rgb_tf.spec import load_spec
    from i3d_rgb_tf.version import __version__

    spec = load_spec()
    files = {"frozen_graph": spec.frozen_graph_path(root)}
    files |= {precision: spec.ir_path(root, precision) for precision in PRECISIONS}
    files |= {display_name(each.precision, each.layout): each.path for each in list_models(root)}
    return {
        "version": __version__,
        "entry": str(_entry()),
        "accuracy_check": str(_accuracy_check()),
        "mo": str(_mo()),
        "model": {
            "name": spec.name,
            "description": " ".join(spec.description.split()),
            "input": {"name": spec.input_name, "shape": list(spec.shape), "layout": spec.layout},
            "frozen_graph": {
                "name": spec.frozen_graph.name,
                "size_bytes": spec.frozen_graph.checksum.size_bytes,
                spec.frozen_graph.checksum.algorithm: spec.frozen_graph.checksum.digest,
                "urls": list(spec.frozen_graph.urls),
            },
        },
        "directory": {
            "path": str(spec.folder(root).resolve()),
            **{name: str(path) if path.is_file() else None for name, path in files.items()},
        },
        "packages": {name: _version(name) for name in _PACKAGES},
        "convolution": _convolution(),
        "commands": list(COMMANDS),
    }


def _convolution() -> dict[str, str | None]:
    """Return how convolutions are computed here, by default and in f32, and why."""
    try:
        from i3d_rgb_tf.ir.convolution import choose_convolution

        default, in_f32 = choose_convolution(), choose_convolution(inference_precision="f32")
    except ImportError as error:
        # The report of a broken installation has the other facts.
        return {"default": None, "f32": None, "reason": f"{error}"}
    return {"default": default.convolution, "f32": in_f32.convolution, "reason": default.reason}


def _version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _lines(document: dict[str, Any]) -> list[str]:
    from textwrap import wrap

    model, tree = document["model"], dict(document["directory"])
    tensor, graph = model["input"], model["frozen_graph"]
    shape = "x".join(map(str, tensor["shape"]))
    folder, convolution = tree.pop("path"), document["convolution"]
    rows = [
        ("version", document["version"]),
        ("zoo entry", document["entry"]),
        ("accuracy check", document["accuracy_check"]),
        ("for omz_converter", f"--mo {document['mo']}"),
        ("input", f"{tensor['name']} {shape} {tensor['layout']}, RGB, 0..255"),
        ("frozen graph", f"{graph['name']}, {graph['size_bytes']:,} bytes"),
        ("model tree", folder),
        *((f"  {name}", "found" if path else "not found") for name, path in tree.items()),
        *((name, version or "not installed") for name, version in document["packages"].items()),
        ("convolution", f"{convolution['default'] or 'unknown'}: {convolution['reason']}"),
        ("  in f32", convolution["f32"] or "unknown"),
        ("commands", ", ".join(document["commands"])),
    ]
    head = wrap(f"{model['name']}: {model['description']}", 100)
    return [*head, "", *(f"{name:<18} {value}" for name, value in rows)]
