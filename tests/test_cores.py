from __future__ import annotations

import os

import pytest

from i3d_rgb_tf.cores import num_usable_cores


def test_the_cores_that_the_process_is_bound_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {2, 5, 7}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)

    assert num_usable_cores() == 3


@pytest.mark.parametrize(("cpu_count", "expected"), [(8, 8), (None, 1)])
def test_without_affinity_as_on_macos_and_windows_the_cores_of_the_machine_count(
    monkeypatch: pytest.MonkeyPatch, cpu_count: int | None, expected: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cpu_count)

    assert num_usable_cores() == expected


def test_this_process_may_use_at_least_one_core() -> None:
    assert 1 <= num_usable_cores() <= (os.cpu_count() or 1)
