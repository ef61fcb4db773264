import pytest

from i3d_rgb_tf.errors import ChecksumError
from i3d_rgb_tf.hashes import Fingerprint, file_digest

HELLO_BLOB = "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object of "hello\n"


@pytest.fixture
def hello(tmp_path):
    path = tmp_path / "hello.txt"
    path.write_bytes(b"hello\n")
    return path


def test_git_blob_id_is_the_one_git_gives(hello):
    assert file_digest(hello, "git-blob") == HELLO_BLOB


def test_a_matching_file_passes(hello, tmp_path):
    fingerprint = Fingerprint("git-blob", HELLO_BLOB, 6)

    fingerprint.check(hello)
    assert fingerprint.matches(hello)
    assert not fingerprint.matches(tmp_path / "missing")


@pytest.mark.parametrize(
    ("fingerprint", "message"),
    [
        (Fingerprint("git-blob", HELLO_BLOB, 7), "hello.txt has 6 bytes, expected 7"),
        (Fingerprint("sha256", "00"), "hello.txt has sha256 5891b5b5.*, expected 00"),
    ],
)
def test_a_difference_is_named(hello, fingerprint, message):
    with pytest.raises(ChecksumError, match=message):
        fingerprint.check(hello)
    assert not fingerprint.matches(hello)
