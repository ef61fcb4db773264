"""Stand-in for Model Optimizer that the zoo's converter can run; it converts with this package.

::

    omz_converter --name i3d-rgb-tf --mo "$(i3d-rgb-tf info --mo)"

It accepts only the options that the converter passes for this model; of a repeated option the last
counts. It needs neither openvino-dev nor TensorFlow.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert the model; return the exit status."""
    from i3d_rgb_tf.errors import I3DError
    from i3d_rgb_tf.ir.convert import convert_graph
    from i3d_rgb_tf.ir.files import save_ir
    from i3d_rgb_tf.ir.metadata import read_provenance

    options = _parser().parse_args(arguments)
    path = options.output_dir / f"{options.model_name}.xml"
    try:
        model = convert_graph(options.input_model, allow_unknown=True)
        save_ir(model, path, compress_to_fp16=options.compress_to_fp16)
    except I3DError as error:
        print(f"[ ERROR ]  {error}", file=sys.stderr)
        return 1
    print(f"[ INFO ] Weights: {read_provenance(model).weights}")
    print(f"[ SUCCESS ] Generated IR version {_ir_version(path)} model.")
    print(f"[ SUCCESS ] XML file: {path.resolve()}")
    print(f"[ SUCCESS ] BIN file: {path.resolve().with_suffix('.bin')}")
    return 0


def _parser() -> argparse.ArgumentParser:
    from i3d_rgb_tf.spec import load_spec

    spec = load_spec()
    parser = argparse.ArgumentParser(
        prog="mo.py", description=(__doc__ or "").splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--framework", type=_only("tf"), metavar="tf")
    parser.add_argument("--input_model", type=Path, required=True, metavar="FILE")
    parser.add_argument("--output_dir", type=Path, default=Path(), metavar="DIR")
    parser.add_argument("--model_name", default=spec.name, metavar="NAME")
    parser.add_argument("--compress_to_fp16", type=_boolean, nargs="?", const=True, default=False)
    shape = ",".join(map(str, spec.source_shape))
    for option, value in {
        "input": spec.input_name,
        "input_shape": f"[{shape}]",
        "layout": f"{spec.input_name}({spec.source_layout}->{spec.layout})",
        "mean_values": f"{spec.input_name}[{spec.mean:g}]",
        "scale_values": f"{spec.input_name}[{spec.scale:g}]",
    }.items():
        parser.add_argument(f"--{option}", type=_only(value), metavar=value)
    return parser


def _only(expected: str) -> Callable[[str], str]:
    """Return a type for an option with one valid value: this program converts one model one way."""

    def check(text: str) -> str:
        if text.replace(" ", "").lower() != expected.lower():
            raise argparse.ArgumentTypeError(
                f"got {text}, expected {expected}; this converter is for one model and one layout"
            )
        return text

    return check


def _boolean(text: str) -> bool:
    values = {"true": True, "false": False, "1": True, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"got {text}, expected True or False")
    return values[text.lower()]


def _ir_version(path: Path) -> str:
    """Return the version in the first element of an IR."""
    from xml.etree import ElementTree

    for _, element in ElementTree.iterparse(path, events=("start",)):
        return str(element.get("version", ""))
    return ""


if __name__ == "__main__":
    # Started by its path, Python would look for every module in this folder first.
    _folder = Path(__file__).resolve().parent
    sys.path[:] = [each for each in sys.path if Path(each).resolve() != _folder]
    if importlib.util.find_spec("i3d_rgb_tf") is None:
        sys.exit(
            f"[ ERROR ]  {sys.executable} does not have the package i3d-rgb-tf; install it there, "
            "or give omz_converter, after -p, the Python that has it"
        )
    sys.exit(main())
