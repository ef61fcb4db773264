from __future__ import annotations

import pytest

from i3d_rgb_tf.batch.shards import WHOLE, Shard, video_key

VIDEOS = [f"folder/{index}.mp4" for index in range(1000)]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_each_video_is_in_one_shard_and_shards_are_about_equal(count: int) -> None:
    shards = [Shard(index, count) for index in range(1, count + 1)]

    sizes = [sum(map(shard.holds, VIDEOS)) for shard in shards]

    assert sum(sizes) == len(VIDEOS)
    assert all(any(shard.holds(video) for shard in shards) for video in VIDEOS)
    assert min(sizes) > 0.75 * len(VIDEOS) / count


def test_which_shard_a_video_is_in_never_changes() -> None:
    # By sha256sum: a result that another version or machine has written is found again.
    assert video_key("a/cricket.mp4") == "aabe9ec94e9c7bda"
    assert Shard(3, 4).holds("a/cricket.mp4")


def test_the_whole_list_is_one_shard() -> None:
    assert all(map(WHOLE.holds, VIDEOS))
    assert video_key("\udcff.mp4") != video_key("\udcfe.mp4")


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1", "1/", "/4", "a/b", "1/4/4", "-1/4", ""])
def test_a_shard_is_one_of_several(text: str) -> None:
    with pytest.raises(ValueError, match="expected I/N"):
        Shard.parse(text)
