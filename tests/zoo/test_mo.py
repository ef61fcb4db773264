import os
import re
import shutil
import subprocess
import sys

import pytest

from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.metadata import read_provenance
from i3d_rgb_tf.zoo import mo

CONVERTER_ARGUMENTS = [
    "--framework=tf",
    "--model_name=i3d-rgb-tf",
    "--input=Placeholder",
    "--mean_values=Placeholder[127.5]",
    "--scale_values=Placeholder[127.5]",
    "--layout=Placeholder(NDHWC->NDCHW)",
    "--input_shape=[1, 79, 224, 224, 3]",
]
"""What the zoo's converter passes besides the paths and the precision."""


def test_the_converters_command_line_gives_our_ir(frozen_graph, model_root, spec, tmp_path):
    command = [sys.executable, mo.__file__, *CONVERTER_ARGUMENTS]
    command += [f"--input_model={frozen_graph}", f"--output_dir={tmp_path}"]
    # On the second precision the converter repeats its flags; the last one counts.
    command += ["--compress_to_fp16=False", "--compress_to_fp16=True"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr

    path = tmp_path / "i3d-rgb-tf.xml"
    assert f"[ SUCCESS ] XML file: {path}" in result.stdout
    assert "Weights: rgb_scratch" in result.stdout
    assert read_provenance(read_ir(path)).weights == "rgb_scratch"
    ours = spec.ir_path(model_root, "FP16")
    assert path.read_bytes() == ours.read_bytes()
    assert path.with_suffix(".bin").read_bytes() == ours.with_suffix(".bin").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--transform=Pruning"], "unrecognized arguments: --transform=Pruning"),
        (["--frame=tf"], "unrecognized arguments: --frame=tf"),
        (["--layout=Placeholder(NDHWC)"], r"expected Placeholder\(NDHWC->NDCHW\)"),
        (["--framework=onnx"], "got onnx, expected tf"),
        (["--mean_values=Placeholder[0]"], r"got Placeholder\[0\], expected Placeholder\[127.5\]"),
        (["--compress_to_fp16=maybe"], "got maybe, expected True or False"),
    ],
)
def test_other_options_are_rejected(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        mo.main(["--input_model=graph.pb", *arguments])

    assert caught.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_wrong_graph_fails_as_mo_does(tmp_path, capsys):
    graph = tmp_path / "wrong.pb"
    graph.write_bytes(b"x")

    assert mo.main([f"--input_model={graph}", f"--output_dir={tmp_path}"]) == 1
    assert capsys.readouterr().err.startswith("[ ERROR ]  ")


@pytest.mark.parametrize("options", [(), ("-P",)] if sys.version_info >= (3, 11) else [()])
def test_the_folder_of_the_program_hides_no_module(options, tmp_path):
    """Python puts it first in the search path, except with -P."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    shutil.copy(mo.__file__, folder)
    (folder / "yaml.py").write_text("raise SystemExit('this is not PyYAML')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, *options, folder / "mo.py", "--help"]

    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)

    assert (result.returncode, result.stderr) == (0, "")
    assert "--input_model" in result.stdout


def test_a_python_without_the_package_gets_a_remedy(tmp_path):
    # As the zoo's converter starts it: by its path, with a Python of its own.
    command = [sys.executable, "-S", "-E", "--", mo.__file__, *CONVERTER_ARGUMENTS]

    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    assert result.returncode == 1
    assert re.fullmatch(
        rf"\[ ERROR \]  {sys.executable} does not have the package i3d-rgb-tf; install it "
        "there, or give omz_converter, after -p, the Python that has it\n",
        result.stderr,
    )
