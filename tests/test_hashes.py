"""Files are compared with their published size and digest."""

from __future__ import annotations

import pytest

from i3d_rgb_tf.errors import ChecksumError
from i3d_rgb_tf.hashes import Checksum, file_digest

HELLO_BLOB = "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object of "hello\n"


@pytest.fixture
def hello(tmp_path):
    path = tmp_path / "hello.txt"
    path.write_bytes(b"hello\n")
    return path


def test_a_git_blob_id_is_that_of_git(hello):
    assert file_digest(hello, "git-blob") == HELLO_BLOB


def test_a_matching_file_passes(hello, tmp_path):
    checksum = Checksum("git-blob", HELLO_BLOB, 6)

    checksum.check(hello)
    assert checksum.matches(hello)
    assert not checksum.matches(tmp_path / "missing")


@pytest.mark.parametrize(
    ("checksum", "message"),
    [
        (Checksum("git-blob", HELLO_BLOB, 7), "hello.txt has 6 bytes, expected 7"),
        (Checksum("sha256", "00"), "hello.txt has sha256 5891b5b5.*, expected 00"),
    ],
)
def test_a_wrong_size_or_digest_is_an_error(hello, checksum, message):
    with pytest.raises(ChecksumError, match=message):
        checksum.check(hello)
    assert not checksum.matches(hello)


def test_the_error_may_name_the_file_as_it_is_known(hello):
    with pytest.raises(ChecksumError, match="^graph.pb has 6 bytes, expected 7$"):
        Checksum("git-blob", HELLO_BLOB, 7).check(hello, name="graph.pb")


def test_the_size_is_optional(hello):
    assert Checksum("git-blob", HELLO_BLOB).matches(hello)
