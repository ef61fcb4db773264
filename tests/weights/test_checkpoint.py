"""DeepMind's checkpoints are read and written, and damaged ones are refused."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from i3d_rgb_tf.errors import StorageError, WeightsError
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.weights.checkpoint import read_checkpoint, write_checkpoint
from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from i3d_rgb_tf.weights.tensors import identify


def test_a_checkpoint_is_read_as_it_was_written(checkpoint, tensors):
    found = read_checkpoint(checkpoint)

    assert list(found) == list(tensors)
    assert all((found[name] == tensors[name]).all() for name in tensors)


def test_tensors_of_another_network_are_not_written(tensors, tmp_path):
    name = next(iter(tensors))

    with pytest.raises(WeightsError, match=f"{name} has shape"):
        write_checkpoint({**tensors, name: np.zeros(3, np.float32)}, tmp_path / "model.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_a_written_checkpoint_is_byte_for_byte_the_published_one(checkpoint, shared_folder):
    data = checkpoint.with_name("model.ckpt.data-00000-of-00001")
    index = checkpoint.with_name("model.ckpt.index")
    published = shared_folder / "checkpoints" / "rgb_scratch" / "model.ckpt.index"

    assert file_digest(data, "git-blob") == "fa7df95674dbf3579e7fccd954e51e706b4734c1"
    assert index.read_bytes() == published.read_bytes()


def test_a_checkpoint_may_be_named_by_its_index(checkpoint):
    assert identify(read_checkpoint(checkpoint.with_name("model.ckpt.index"))) == "rgb_scratch"


def test_a_missing_checkpoint_is_an_error(tmp_path):
    with pytest.raises(WeightsError, match=r"no checkpoint at .*; give the path up to and without"):
        read_checkpoint(tmp_path / "model.ckpt")


def test_a_checkpoint_can_be_written_while_a_graph_is_being_built(tensors, checkpoint, tmp_path):
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


def test_a_full_disk_leaves_no_incomplete_checkpoint(tensors, tmp_path):
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
