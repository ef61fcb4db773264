"""Compiled models are kept on disk, and a damaged one is never used."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import openvino
import pytest

from i3d_rgb_tf.errors import StorageError
from i3d_rgb_tf.hashes import Checksum
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.compiled_cache import (
    cache_folder,
    compile_cached,
    record_digests,
    remove_damaged,
)
from i3d_rgb_tf.ir.files import read_ir
from networks import LABEL_WEIGHTS, infer_clip, save_small_network


@pytest.fixture(scope="module")
def small_network_path(tmp_path_factory):
    return save_small_network(tmp_path_factory.mktemp("small") / "small.xml")


@pytest.fixture
def small_network(small_network_path):
    """Return a function that reads the network; compiling changes a model."""
    return lambda: read_ir(small_network_path)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return an empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "i3d-rgb-tf"


# Compiling.


def test_the_cache_folder_is_in_the_users_cache_and_named_after_the_openvino_version(cache):
    version = openvino.__version__.split("-")[0]

    assert cache_folder() == cache / f"compiled-{version}"


def test_the_compiled_real_model_is_kept(model_root, spec, cache):
    compile_model(read_ir(spec.ir_path(model_root, "FP16")))

    assert list(cache.iterdir()) == [cache_folder()]
    assert list(cache.rglob("*.blob"))


def test_models_compiled_with_different_properties_are_cached_separately(small_network, cache):
    core = openvino.Core()

    for properties in ({}, {}, {"INFERENCE_NUM_THREADS": 1}):
        compile_cached(core, small_network(), "CPU", properties)

    assert len(list(cache.rglob("*.blob"))) == 2


def other_version(data):
    version = openvino.__version__.split("-")[0].encode()
    return data.replace(version, b"2024.0.0"[: len(version)].ljust(len(version), b"0"))


DAMAGES = {
    "none": lambda data: data,
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "other weights": lambda data: data.replace(
        LABEL_WEIGHTS.tobytes(), bytes(LABEL_WEIGHTS.nbytes)
    ),
    "another version": other_version,
}


@pytest.mark.parametrize(
    ("damage", "has_new_digest"),
    # Weights that were damaged before the digest was recorded cannot be recognized.
    [
        *((damage, False) for damage in DAMAGES),
        *((damage, True) for damage in ("truncated", "empty", "another version")),
    ],
)
def test_a_damaged_compiled_model_is_replaced(damage, has_new_digest, small_network, cache):
    compile_model(small_network())
    (blob,) = cache.rglob("*.blob")
    data = blob.read_bytes()
    assert LABEL_WEIGHTS.tobytes() in data
    blob.write_bytes(DAMAGES[damage](data))
    if has_new_digest:
        blob.with_suffix(".sha256").unlink()
        record_digests(blob.parent)

    compiled = compile_model(small_network())

    assert compiled.get_property("LOADED_FROM_CACHE") is (damage == "none")
    assert infer_clip(compiled) == pytest.approx(100 * LABEL_WEIGHTS, abs=1e-4)


def test_the_replacement_of_a_damaged_compiled_model_is_cached(small_network, cache):
    compile_model(small_network())
    (blob,) = cache.rglob("*.blob")
    blob.write_bytes(b"damaged")
    compile_model(small_network())

    assert compile_model(small_network()).get_property("LOADED_FROM_CACHE")


_COMPILE = """
import sys, pathlib
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.files import read_ir
from networks import infer_clip
print(infer_clip(compile_model(read_ir(pathlib.Path(sys.argv[1]))))[-1])
"""


def test_processes_that_fill_an_empty_cache_at_the_same_time_predict_the_same(
    small_network_path, small_network, cache
):
    command = [sys.executable, "-c", _COMPILE, small_network_path]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
            )
            for _ in range(3)
        ]
        found = [each.stdout.read() for each in processes]

    assert [float(each) for each in found] == [100, 100, 100]
    compiled = compile_model(small_network())
    assert infer_clip(compiled) == pytest.approx(100 * LABEL_WEIGHTS, abs=1e-4)


def test_models_compiled_with_different_options_are_in_different_folders(small_network, cache):
    compile_model(small_network())
    compile_model(small_network(), performance_hint="THROUGHPUT")
    compile_model(small_network(), inference_precision="f32")

    assert len({blob.parent for blob in cache.rglob("*.blob")}) == 3


def test_a_cache_that_cannot_be_written_gives_a_warning(
    small_network, tmp_path, monkeypatch, caplog
):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))

    compiled = compile_model(small_network())

    assert infer_clip(compiled) == pytest.approx(100 * LABEL_WEIGHTS, abs=1e-4)
    assert f"not using the cache of compiled models in {blocked}" in caplog.text


# Digests.


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two blobs with their digests."""
    (tmp_path / "1.blob").write_bytes(b"one")
    (tmp_path / "2.blob").write_bytes(b"two")
    record_digests(tmp_path)
    return tmp_path


def _blobs(folder):
    return sorted(path.name for path in folder.glob("*.blob"))


def test_a_verified_blob_is_kept(folder):
    remove_damaged(folder)

    assert _blobs(folder) == ["1.blob", "2.blob"]


@pytest.mark.parametrize("digest", [None, "", "\xff", "0" * 64])
def test_a_blob_with_a_wrong_digest_or_none_is_removed(folder, digest):
    file = folder / "1.sha256"
    file.unlink()
    if digest is not None:
        file.write_text(digest, encoding="latin-1")

    remove_damaged(folder)

    assert _blobs(folder) == ["2.blob"]
    assert not file.exists()


@pytest.mark.parametrize("name", ["1.blob", "1.sha256"])
def test_a_pipe_in_the_cache_is_not_opened(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)

    remove_damaged(folder)

    assert sorted(path.name for path in folder.iterdir()) == ["2.blob", "2.sha256"]


def test_a_changed_blob_is_removed(folder):
    (folder / "2.blob").write_bytes(b"tow")

    remove_damaged(folder)

    assert _blobs(folder) == ["1.blob"]


def test_a_recorded_digest_is_not_changed(folder):
    (folder / "2.blob").write_bytes(b"tow")
    record_digests(folder)

    remove_damaged(folder)

    assert _blobs(folder) == ["1.blob"]


def test_a_blob_that_another_process_removes_at_the_same_time_is_not_an_error(folder, monkeypatch):
    def remove(checksum, path):
        path.unlink()
        return False

    monkeypatch.setattr(Checksum, "matches", remove)

    remove_damaged(folder)

    assert not list(folder.iterdir())


def test_the_newest_four_blobs_are_kept(tmp_path):
    for number in (3, 1, 5, 4, 2):
        blob = tmp_path / f"{number}.blob"
        blob.write_bytes(b"compiled")
        os.utime(blob, ns=(number, number))
        record_digests(tmp_path)

    assert _blobs(tmp_path) == [f"{number}.blob" for number in (2, 3, 4, 5)]
    assert len(list(tmp_path.iterdir())) == 8


def test_a_missing_folder_is_not_created(tmp_path):
    remove_damaged(tmp_path / "none")
    record_digests(tmp_path / "none")

    assert list(tmp_path.iterdir()) == []


def test_a_blob_that_cannot_be_removed_is_an_error(tmp_path):
    (tmp_path / "1.blob").mkdir()

    with pytest.raises(StorageError, match="cannot clean"):
        remove_damaged(tmp_path)
