"""DeepMind's checkpoints are read and written, and damaged ones are refused."""

from __future__ import annotations

import resource
import sys

import google_crc32c
import numpy as np
import pytest

from i3d_rgb_tf.architecture import CHECKPOINT_SCOPE
from i3d_rgb_tf.errors import StorageError, WeightsError
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.weights.checkpoint import read_checkpoint, write_checkpoint
from i3d_rgb_tf.weights.tensorflow import require_tensorflow
from i3d_rgb_tf.weights.tensors import identify

pytestmark = pytest.mark.slow


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

    with pytest.raises(
        WeightsError,
        match="other is not a checkpoint of the I3D RGB model: the weights lack RGB/inception_i3d/",
    ):
        read_checkpoint(tmp_path / "other")


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (np.zeros((3, 4), np.float32), r"has shape \(3, 4\), expected \(64,\)"),
        (np.zeros(64), r"is not a float32 tensor of shape \(64,\)"),
    ],
)
def test_a_tensor_of_another_size_is_refused_before_it_is_read(tensors, tmp_path, tensor, message):
    name = next(iter(tensors))
    changed = {**tensors, name: tensor}
    require_tensorflow().raw_ops.SaveV2(
        prefix=str(tmp_path / "model.ckpt"),
        tensor_names=list(changed),
        shape_and_slices=[""] * len(changed),
        tensors=list(changed.values()),
    )
    # Nothing can be read of a tensor any more.
    (tmp_path / "model.ckpt.data-00000-of-00001").unlink()

    with pytest.raises(WeightsError, match=f"{name} {message}"):
        read_checkpoint(tmp_path / "model.ckpt")


def test_a_file_at_which_tensorflow_would_end_the_process_is_refused(tmp_path):
    name = f"{CHECKPOINT_SCOPE}/Conv3d_1a_7x7/conv_3d/w"
    require_tensorflow().raw_ops.SaveV2(
        prefix=str(tmp_path / "model.ckpt"),
        tensor_names=[name],
        shape_and_slices=[""],
        tensors=[np.zeros(3, np.float32)],
    )
    # A block of the index, one byte for its compression, and its masked checksum; TensorFlow
    # reads an entry only when the checksum is right.
    index = tmp_path / "model.ckpt.index"
    content = bytearray(index.read_bytes())
    place = content.index(name.encode()) + len(name)
    end = next(
        end
        for end in range(place, len(content) - 4)
        if content[end : end + 4] == masked_checksum(content[:end])
    )
    content[place] = 0xFF
    content[end : end + 4] = masked_checksum(content[:end])
    index.write_bytes(content)

    with pytest.raises(
        WeightsError,
        match=r"cannot read the checkpoint .*model.ckpt: its index is damaged: .*; get its files",
    ) as error:
        read_checkpoint(tmp_path / "model.ckpt")
    assert "\n" not in str(error.value)
    assert len(list(tmp_path.iterdir())) == 2


def masked_checksum(block):
    value = google_crc32c.value(bytes(block))
    return (((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def test_a_checkpoint_is_read_without_tensorflow(checkpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    assert identify(read_checkpoint(checkpoint)) == "rgb_scratch"


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
