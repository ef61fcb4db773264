"""Videos are found in folders, and files that cannot be read as a video are errors."""

from __future__ import annotations

import os

import pytest

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video.files import VIDEO_SUFFIXES, check_file, find_videos

# Folders.


def test_folders_are_searched_recursively_and_sorted(tmp_path):
    names = ["b.mp4", "a/c.AVI", "a/b.gif", "z.webm"]
    others = ["b.txt", "a/._c.avi", ".hidden/d.mp4", "a/.d.mp4", "b.annotated.mp4"]
    for name in names + others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    found = find_videos([tmp_path])

    assert [str(each.relative_to(tmp_path)) for each in found] == sorted(names)


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_every_video_suffix_is_found_in_either_case(tmp_path, suffix):
    names = [f"a{suffix}", f"b{suffix.upper()}"]
    for name in names:
        (tmp_path / name).touch()

    assert [each.name for each in find_videos([tmp_path])] == names


def test_given_files_are_kept_in_order_whatever_their_suffix(tmp_path):
    named = [tmp_path / "z.bin", tmp_path / "missing.mp4", tmp_path / "a.mp4"]

    assert find_videos(named) == named


def test_a_folder_without_videos_is_an_error(tmp_path):
    with pytest.raises(VideoError, match=r"holds no video; expected files ending with \.3gp \.asf"):
        find_videos([tmp_path])


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(VideoError, match="cannot list .*: Permission denied; make it readable"):
        find_videos([tmp_path])


# Files.


def check_error(path):
    with pytest.raises(VideoError) as caught:
        check_file(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_file_with_content_passes(tmp_path):
    (tmp_path / "x.mp4").write_bytes(b"x")

    assert check_file(tmp_path / "x.mp4") is None


def test_a_missing_file_is_an_error(tmp_path):
    assert check_error(tmp_path / "x.mp4").startswith("there is no video")


def test_a_folder_is_an_error(tmp_path):
    assert "is a folder, expected a video file" in check_error(tmp_path)


def test_an_empty_file_is_an_error(tmp_path):
    (tmp_path / "x.mp4").touch()

    assert "is empty (0 bytes), expected a video" in check_error(tmp_path / "x.mp4")


def test_a_pipe_is_an_error_and_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "x.mp4")

    assert "is a pipe or a device, expected a video file" in check_error(tmp_path / "x.mp4")


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path):
    # Root may read any file, but not a link to itself.
    (tmp_path / "x.mp4").symlink_to(tmp_path / "x.mp4")

    assert "expected a file you may read" in check_error(tmp_path / "x.mp4")


@pytest.mark.parametrize("name", ["x\0.mp4", "x\ud800.mp4"], ids=["NUL byte", "surrogate"])
def test_a_name_that_no_file_can_have_is_an_error(tmp_path, name):
    path = tmp_path / name

    assert find_videos([path]) == [path]
    with pytest.raises(VideoError, match="is not a path: .*; check the path") as caught:
        check_file(path)
    message = str(caught.value)
    assert repr(str(path)) in message
    assert message.isprintable()
