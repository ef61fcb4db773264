"""Our conversion against Model Optimizer's: time and peak memory of each as fresh processes.

    python bench/convert.py GRAPH --mo PATH/TO/mo [--rounds 5]

GRAPH is the published frozen graph, ``--mo`` the program `mo` of an environment of its own with
``openvino-dev[tensorflow2]==2024.6.0``. Both read the same file and write FP16 with the
descriptor's shape, layout, mean and scale. They run in turns, so that other load meets both.
The figures are wall-clock seconds and the peak resident memory of the process and its children.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import Measurement, machine_line, ratio_line, run_fresh

from i3d_rgb_tf.spec import load_spec

_OURS = (
    "import sys; from pathlib import Path; from i3d_rgb_tf.ir.convert import convert; "
    "convert(Path(sys.argv[1]), Path(sys.argv[2]), precisions=['FP16'])"
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("graph", type=Path)
    parser.add_argument("--mo", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ours: list[Measurement] = []
    theirs: list[Measurement] = []
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as home:
        # Model Optimizer's reports would otherwise be timed too, or hang without a network.
        environment = {**os.environ, "HOME": home}
        opt_out = options.mo.with_name("opt_in_out")
        subprocess.run([opt_out, "--opt_out"], env=environment, check=True, capture_output=True)
        for _ in range(options.rounds):
            ours.append(
                run_fresh([sys.executable, "-c", _OURS, options.graph, folder], environment)
            )
            theirs.append(
                run_fresh([options.mo, *_mo_arguments(options.graph, folder)], environment)
            )
    print(machine_line())
    print(f"i3d-rgb-tf convert  {_line(ours)}")
    print(f"mo                  {_line(theirs)}")
    print(ratio_line("time", [each.seconds for each in theirs], [each.seconds for each in ours]))
    print(
        ratio_line("memory", [each.megabytes for each in theirs], [each.megabytes for each in ours])
    )


def _line(measurements: list[Measurement]) -> str:
    seconds = sorted(each.seconds for each in measurements)
    megabytes = sorted(each.megabytes for each in measurements)
    middle = len(measurements) // 2
    return (
        f"{seconds[middle]:6.2f} s ({seconds[0]:.2f}..{seconds[-1]:.2f})"
        f"{megabytes[middle]:8.0f} MB ({megabytes[0]:.0f}..{megabytes[-1]:.0f})"
    )


def _mo_arguments(graph: Path, folder: str) -> list[str]:
    spec = load_spec()
    shape = ",".join(map(str, spec.source_shape))
    return [
        "--framework=tf",
        f"--input_model={graph}",
        f"--output_dir={folder}",
        f"--model_name={spec.name}",
        f"--input={spec.input_name}",
        f"--input_shape=[{shape}]",
        f"--layout={spec.input_name}({spec.source_layout}->{spec.layout})",
        f"--mean_values={spec.input_name}[{spec.mean:g}]",
        f"--scale_values={spec.input_name}[{spec.scale:g}]",
        "--compress_to_fp16=True",
    ]


if __name__ == "__main__":
    main()
