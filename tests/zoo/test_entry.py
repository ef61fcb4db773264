from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.spec import ModelSpec, entry_folder
from i3d_rgb_tf.weights.tensors import Tensors

ENTRY = entry_folder()
# Like the zoo's own entry, whose IR takes B, D, H, W, C.
STOCK_YML = """\
files: [{name: i3d-rgb.frozen.pb, size: 1, checksum: 00}]
input_info: [{name: Placeholder, layout: NDHWC}]
"""


def run_script(script: Path, *arguments: object, installed: bool = True) -> tuple[int, str]:
    """Run a script of the entry, with the package or without it; return status and last line."""
    source = script.read_text(encoding="utf-8")
    blocked = "" if installed else "import sys; sys.modules['i3d_rgb_tf'] = None\n"
    wrapped = (
        f"{blocked}import sys; sys.argv = {[str(script), *map(str, arguments)]!r}\n"
        f"exec(compile({source!r}, {str(script)!r}, 'exec'), "
        f"{{'__name__': '__main__', '__file__': {str(script)!r}}})"
    )
    result = subprocess.run([sys.executable, "-c", wrapped], capture_output=True, text=True)
    # TensorFlow may print lines of its own before the last one.
    lines = (result.stderr if result.returncode else result.stdout).splitlines()
    assert "Traceback" not in result.stderr
    return result.returncode, lines[-1] if lines else ""


def pre_convert(entry: Path, folder: Path, *, installed: bool = True) -> tuple[int, str]:
    return run_script(entry / "pre-convert.py", "--", folder, folder, installed=installed)


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    """Return a copy of the entry that may be changed."""
    return Path(shutil.copytree(ENTRY, tmp_path / "entry"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty download folder as the zoo's converter names it."""
    folder = tmp_path / "download" / "public" / "i3d-rgb-tf"
    folder.mkdir(parents=True)
    return folder


def test_model_yml_is_the_same_at_the_root_and_in_the_entry(repository: Path) -> None:
    copy = repository / "models" / "public" / "i3d-rgb-tf" / "model.yml"

    assert (repository / "model.yml").read_bytes() == copy.read_bytes()


def test_model_and_code_have_the_same_licence_text(repository: Path) -> None:
    copy = repository / "models" / "public" / "licenses" / "APACHE-2.0.txt"

    assert (repository / "LICENSE").read_bytes() == copy.read_bytes()


@pytest.mark.parametrize("name", ["freeze.py", "pre-convert.py"])
def test_entry_scripts_run_on_the_oldest_python_of_the_zoo(name: str) -> None:
    ast.parse((ENTRY / name).read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("name", ["freeze.py", "pre-convert.py"])
def test_entry_scripts_import_only_the_weights_wing_of_the_package(name: str) -> None:
    # They are copied into users' zoos, where they meet other versions of the package.
    tree = ast.parse((ENTRY / name).read_text(encoding="utf-8"))

    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    assert {each for each in imported if each.startswith("i3d")} == {"i3d_rgb_tf.weights"}


def test_the_model_card_states_the_shapes_and_names_of_model_yml(spec: ModelSpec) -> None:
    card = (ENTRY / "README.md").read_text(encoding="utf-8")

    for shape in (spec.source_shape, spec.shape):
        assert f"`{', '.join(map(str, shape))}`" in card
    for word in (f"`{spec.input_name}`", f"`{spec.frozen_graph.name}`", "278.981", "12.69"):
        assert word in card


def accuracy_check() -> dict[str, Any]:
    text = (ENTRY / "accuracy-check.yml").read_text(encoding="utf-8")
    (model,) = yaml.safe_load(text)["models"]
    return dict(model)


def test_accuracy_check_config_matches_the_converted_model(spec: ModelSpec) -> None:
    model = accuracy_check()

    assert model["name"] == spec.name
    (tensor,) = model["launchers"][0]["inputs"]
    assert (tensor["name"], tensor["layout"]) == (spec.input_name, spec.layout)


def test_accuracy_check_config_cuts_clips_of_the_input_shape(spec: ModelSpec) -> None:
    for dataset in accuracy_check()["datasets"]:
        conversion = dataset["annotation_conversion"]
        assert conversion["clip_duration"] == spec.num_frames
        assert conversion["clips_per_video"] == 3
        assert dataset["preprocessing"][-1] == {"type": "crop", "size": spec.frame_size}


def test_accuracy_check_config_does_not_cache_annotations() -> None:
    for dataset in accuracy_check()["datasets"]:
        assert not {"annotation", "dataset_meta"} & dataset.keys()


def test_accuracy_check_config_has_references_only_for_the_zoos_protocol() -> None:
    long_side, short_side = accuracy_check()["datasets"]

    assert "long-side" in long_side["name"]
    assert [metric["reference"] for metric in long_side["metrics"][1:]] == [
        round(778 / 1200, 4),
        round(1015 / 1200, 4),
    ]
    assert "short-side" in short_side["name"]
    assert not any("reference" in metric for metric in short_side["metrics"])


@pytest.mark.parametrize("model", [STOCK_YML.encode(), b"", b"\xff", b"files: []", b"{"])
def test_pre_convert_does_nothing_for_another_entry(
    entry: Path, folder: Path, model: bytes
) -> None:
    (entry / "model.yml").write_bytes(model)

    assert pre_convert(entry, folder, installed=False) == (0, "")


def test_pre_convert_accepts_the_published_file_without_the_package(
    entry: Path, folder: Path, spec: ModelSpec
) -> None:
    graph = folder / spec.frozen_graph.name
    graph.write_bytes(b"stands for the published file")
    document = yaml.safe_load((entry / "model.yml").read_text(encoding="utf-8"))
    document["files"][0]["size"] = graph.stat().st_size
    document["files"][0]["checksum"] = file_digest(graph, "sha384")
    (entry / "model.yml").write_text(yaml.safe_dump(document))

    assert pre_convert(entry, folder, installed=False) == (0, "")


def test_pre_convert_accepts_a_graph_with_published_tensors(
    folder: Path, frozen_graph: Path, spec: ModelSpec
) -> None:
    (folder / spec.frozen_graph.name).symlink_to(frozen_graph)

    status, line = pre_convert(ENTRY, folder)

    assert (status, line.endswith("all tensors are those of rgb_scratch")) == (0, True)


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (True, "is not the published file (51046552 bytes, SHA-384 8f1c32cc56cc1ca6...), and "),
        (False, "or give omz_converter, after -p, the Python that has it"),
    ],
)
def test_pre_convert_rejects_another_file(
    folder: Path, spec: ModelSpec, installed: bool, expected: str
) -> None:
    (folder / spec.frozen_graph.name).write_bytes(b"\x0a\xff not a graph")

    status, line = pre_convert(ENTRY, folder, installed=installed)

    assert status == 1
    assert expected in line


def test_pre_convert_rejects_unpublished_weights(
    folder: Path, frozen_graph: Path, tensors: Tensors, spec: ModelSpec
) -> None:
    content = bytearray(frozen_graph.read_bytes())
    weights = tensors["RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w"].tobytes()
    content[content.index(weights)] ^= 1
    (folder / spec.frozen_graph.name).write_bytes(content)

    status, line = pre_convert(ENTRY, folder)

    assert status == 1
    assert "holds weights that DeepMind did not publish" in line


def test_pre_convert_says_how_to_get_a_missing_graph(folder: Path) -> None:
    status, line = pre_convert(ENTRY, folder, installed=False)

    assert status == 1
    assert "neither i3d-rgb.frozen.pb nor a checkpoint" in line
    assert "get the graph with: omz_downloader --name i3d-rgb-tf, or: i3d-rgb-tf download" in line


def test_pre_convert_reports_missing_arguments(entry: Path) -> None:
    status, line = run_script(entry / "pre-convert.py")

    assert status == 1
    assert "expected a download folder and an output folder, got []" in line


def test_pre_convert_freezes_a_published_checkpoint(
    folder: Path, checkpoint: Path, spec: ModelSpec
) -> None:
    (folder / "rgb_scratch").symlink_to(checkpoint.parent)

    status, line = pre_convert(ENTRY, folder)

    assert (status, "rgb_scratch, frozen from" in line) == (0, True), line
    assert (folder / spec.frozen_graph.name).is_file()


def test_pre_convert_without_the_package_says_what_freezing_needs(folder: Path) -> None:
    for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001"):
        (folder / name).touch()

    status, line = pre_convert(ENTRY, folder, installed=False)

    assert status == 1
    assert "needs the package i3d-rgb-tf" in line
    assert "-m pip install '.[freeze]'" in line


def test_pre_convert_writes_no_graph_from_a_damaged_checkpoint(
    folder: Path, spec: ModelSpec
) -> None:
    for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001"):
        (folder / name).write_bytes(b"damaged")

    status, line = pre_convert(ENTRY, folder)

    assert (status, "cannot read the checkpoint" in line) == (1, True), line
    assert not (folder / spec.frozen_graph.name).exists()


def test_freeze_script_freezes_the_checkpoint_of_the_clone(
    tmp_path: Path, checkpoint: Path, frozen_graph: Path
) -> None:
    script = Path(shutil.copy(ENTRY / "freeze.py", tmp_path))
    # rgb_scratch takes the place of rgb_imagenet: only the path matters here.
    target = tmp_path / "data" / "checkpoints" / "rgb_imagenet"
    target.parent.mkdir(parents=True)
    target.symlink_to(checkpoint.parent)

    status, line = run_script(script)

    assert (status, line.endswith("i3d-rgb.frozen.pb: rgb_scratch")) == (0, True), line
    assert (tmp_path / "i3d-rgb.frozen.pb").read_bytes() == frozen_graph.read_bytes()


@pytest.mark.parametrize(
    ("installed", "expected"),
    [(True, "run it there"), (False, "pip install '.[freeze]'")],
)
def test_freeze_script_reports_what_is_missing(
    tmp_path: Path, installed: bool, expected: str
) -> None:
    script = Path(shutil.copy(ENTRY / "freeze.py", tmp_path))

    status, line = run_script(script, installed=installed)

    assert (status, expected in line) == (1, True), line
