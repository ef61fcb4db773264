import os

import pytest

from i3d_rgb_tf.blobs import drop_damaged, seal
from i3d_rgb_tf.errors import StorageError
from i3d_rgb_tf.hashes import Fingerprint


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "1.blob").write_bytes(b"one")
    (tmp_path / "2.blob").write_bytes(b"two")
    seal(tmp_path)
    return tmp_path


def _blobs(folder):
    return sorted(path.name for path in folder.glob("*.blob"))


def test_what_was_sealed_stays(folder):
    drop_damaged(folder)

    assert _blobs(folder) == ["1.blob", "2.blob"]


@pytest.mark.parametrize("seal_text", [None, "", "\xff", "0" * 64])
def test_what_has_no_seal_or_a_wrong_one_goes(folder, seal_text):
    beside = folder / "1.sha256"
    beside.unlink()
    if seal_text is not None:
        beside.write_text(seal_text, encoding="latin-1")

    drop_damaged(folder)

    assert _blobs(folder) == ["2.blob"]
    assert not beside.exists()


def test_what_changed_goes(folder):
    (folder / "2.blob").write_bytes(b"tow")

    drop_damaged(folder)

    assert _blobs(folder) == ["1.blob"]


def test_a_seal_is_not_renewed(folder):
    (folder / "2.blob").write_bytes(b"tow")
    seal(folder)

    drop_damaged(folder)

    assert _blobs(folder) == ["1.blob"]


def test_what_another_process_removes_meanwhile_is_gone(folder, monkeypatch):
    def remove(fingerprint, path):
        path.unlink()
        return False

    monkeypatch.setattr(Fingerprint, "matches", remove)

    drop_damaged(folder)

    assert not list(folder.iterdir())


def test_a_new_one_drives_out_the_oldest(tmp_path):
    for number in (3, 1, 5, 4, 2):
        blob = tmp_path / f"{number}.blob"
        blob.write_bytes(b"compiled")
        os.utime(blob, ns=(number, number))
        seal(tmp_path)

    assert _blobs(tmp_path) == [f"{number}.blob" for number in (2, 3, 4, 5)]
    assert len(list(tmp_path.iterdir())) == 8


def test_a_folder_that_is_not_there_has_nothing_damaged(tmp_path):
    drop_damaged(tmp_path / "none")
    seal(tmp_path / "none")


def test_what_cannot_be_removed_is_told(tmp_path):
    (tmp_path / "1.blob").mkdir()

    with pytest.raises(StorageError, match="cannot clean"):
        drop_damaged(tmp_path)
