import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from i3d_rgb_tf.architecture import CHECKPOINT_SCOPE, STAGES, Conv, Mixed
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import StorageError, WeightsError
from i3d_rgb_tf.freeze import (
    freeze_checkpoint,
    freeze_tensors,
    read_checkpoint,
    require_tensorflow,
    write_checkpoint,
)
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.tensors import identify
from i3d_rgb_tf.verify import waves_clip
from i3d_rgb_tf.video import read_frames

DATA = Path(__file__).parent / "data"
STAGES_OF = json.loads((DATA / "stages.json").read_text())
TOLERANCE = 1e-5
"""Relative; the original stack and today's kernels sum in another order."""


def node_of(stage) -> str:
    ending = {Conv: "/Relu", Mixed: "/concat"}.get(type(stage), "")
    return f"{CHECKPOINT_SCOPE}/{stage.name}{ending}:0"


@pytest.fixture(scope="module")
def checkpoint(tensors, tmp_path_factory):
    prefix = tmp_path_factory.mktemp("checkpoint") / "model.ckpt"
    write_checkpoint(tensors, prefix)
    return prefix


@pytest.fixture(scope="module")
def session(frozen_graph):
    tf = require_tensorflow()
    definition = tf.compat.v1.GraphDef.FromString(frozen_graph.read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
    session = tf.compat.v1.Session(graph=graph)
    yield session
    session.close()


@pytest.mark.parametrize("name", ["waves", "cricket"])
def test_every_stage_computes_what_the_original_stack_does(session, name, request):
    if name == "waves":
        clip = waves_clip()
    else:
        gif = request.getfixturevalue("shared_folder") / "v_CricketShot_g04_c01_rgb.gif"
        clip = np.stack(list(read_frames(gif, frames_per_second=None, short_side=None)))
    nodes = {stage.name: node_of(stage) for stage in STAGES}
    nodes |= {"Logits": f"{CHECKPOINT_SCOPE}/Mean:0", "Predictions": "Softmax:0"}
    pixels = (clip[np.newaxis].astype(np.float32) - 127.5) / 127.5

    found = session.run(nodes, {"Placeholder:0": pixels})

    expected = STAGES_OF[name]["stages"]
    assert found.keys() == expected.keys()
    for stage, values in found.items():
        reference = expected[stage]
        assert list(values.shape) == reference["shape"], stage
        norm = np.linalg.norm(values.astype(np.float64))
        assert norm == pytest.approx(reference["l2_norm"], rel=TOLERANCE), stage
        assert values.max() == pytest.approx(reference["max"], rel=TOLERANCE * 10), stage
    golden = np.load(DATA / f"{name}.npz")
    for stage, key in (("Logits", "logits"), ("Predictions", "probabilities")):
        difference = np.linalg.norm(found[stage][0] - golden[key])
        assert difference <= TOLERANCE * np.linalg.norm(golden[key]), stage


def test_the_same_weights_give_the_same_bytes(frozen_graph, checkpoint, tmp_path):
    tensors = freeze_checkpoint(checkpoint, tmp_path / "again.pb")

    assert identify(tensors) == "rgb_scratch"
    assert (tmp_path / "again.pb").read_bytes() == frozen_graph.read_bytes()


def test_the_checkpoint_written_is_the_published_one(checkpoint, shared_folder):
    data = checkpoint.with_name("model.ckpt.data-00000-of-00001")
    index = checkpoint.with_name("model.ckpt.index")
    published = shared_folder / "checkpoints" / "rgb_scratch" / "model.ckpt.index"

    assert file_digest(data, "git-blob") == "fa7df95674dbf3579e7fccd954e51e706b4734c1"
    assert index.read_bytes() == published.read_bytes()


def test_the_index_may_be_named_too(checkpoint):
    assert identify(read_checkpoint(checkpoint.with_name("model.ckpt.index"))) == "rgb_scratch"


def test_a_missing_checkpoint_says_what_to_give(tmp_path):
    with pytest.raises(WeightsError, match=r"no checkpoint at .*; give the path up to and without"):
        read_checkpoint(tmp_path / "model.ckpt")


def test_a_checkpoint_is_written_while_a_graph_is_being_built(tensors, checkpoint, tmp_path):
    tf = require_tensorflow()

    with tf.Graph().as_default():
        write_checkpoint(tensors, tmp_path / "model.ckpt")

    for file in checkpoint.parent.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("damage", ["index cut", "data cut", "data changed", "no data"])
def test_a_damaged_checkpoint_is_refused(checkpoint, tmp_path, damage):
    part, _, change = damage.rpartition(" ")
    for file in checkpoint.parent.iterdir():
        content = bytearray(file.read_bytes())
        if change == "cut" and part in file.name:
            del content[len(content) // 2 :]
        elif change == "changed" and part in file.name:
            content[1_000_000] ^= 1
        if damage != "no data" or "data" not in file.name:
            (tmp_path / file.name).write_bytes(content)

    with pytest.raises(WeightsError, match="cannot read the checkpoint .*; get its files again"):
        read_checkpoint(tmp_path / "model.ckpt")


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    tf = require_tensorflow()
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "other"),
        tensor_names=["w"],
        shape_and_slices=[""],
        tensors=[np.zeros(3, np.float32)],
    )

    with pytest.raises(WeightsError, match="the weights lack RGB/inception_i3d/Conv3d_1a_7x7"):
        read_checkpoint(tmp_path / "other")


def test_tensors_of_another_shape_are_refused(tensors, tmp_path):
    name = next(iter(tensors))
    with pytest.raises(WeightsError, match=f"{name} has shape"):
        freeze_tensors({**tensors, name: np.zeros(3, np.float32)}, tmp_path / "graph.pb")
    assert not (tmp_path / "graph.pb").exists()


def test_the_freeze_command_says_which_weights_it_froze(
    checkpoint, frozen_graph, tmp_path, spec, capsys
):
    copy = tmp_path / "copy" / "model.ckpt"
    command = ["freeze", "--checkpoint", str(checkpoint), "-o", str(tmp_path)]

    assert main([*command, "--write-checkpoint", str(copy)]) == 0

    path = spec.frozen_graph_path(tmp_path)
    assert capsys.readouterr().out == f"{path}: rgb_scratch\n{copy}: rgb_scratch\n"
    assert path.read_bytes() == frozen_graph.read_bytes()
    for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001"):
        assert copy.with_name(name).read_bytes() == checkpoint.with_name(name).read_bytes()


def test_the_freeze_command_takes_unknown_weights_only_when_asked(tensors, tmp_path, capsys):
    prefix = tmp_path / "tuned" / "model.ckpt"
    write_checkpoint({name: tensor * 2 for name, tensor in tensors.items()}, prefix)
    command = ["freeze", "--checkpoint", str(prefix), "-o", str(tmp_path)]

    assert main(command) == 1
    assert "holds weights that DeepMind did not publish" in capsys.readouterr().err
    assert main([*command, "--allow-unknown"]) == 0
    assert capsys.readouterr().out.endswith(": unknown\n")


def test_tensorflow_is_imported_without_a_word():
    script = "from i3d_rgb_tf.freeze import require_tensorflow; require_tensorflow()"

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_full_disk_leaves_no_half_written_checkpoint(tensors, tmp_path):
    prefix = tmp_path / "model.ckpt"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel then fails a write past the limit as it does on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, limits[1]))
    try:
        with pytest.raises(StorageError) as caught:
            write_checkpoint(tensors, prefix)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    expected = f"cannot write {prefix}: File too large; free some space or choose another folder"
    assert str(caught.value) == expected
    assert list(tmp_path.iterdir()) == []
