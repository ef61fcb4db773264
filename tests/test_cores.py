from __future__ import annotations

import os
from pathlib import Path

import pytest

from i3d_rgb_tf import cores
from i3d_rgb_tf.cores import core_quota, limit_cores, num_system_cores, num_usable_cores


def bind_to(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(count)), raising=False)


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


@pytest.mark.parametrize(("most", "expected"), [(2, 2), (100, 8)])
def test_a_process_can_use_fewer_cores_than_it_may(
    monkeypatch: pytest.MonkeyPatch, most: int, expected: int
) -> None:
    bind_to(monkeypatch, 8)

    limit_cores(most)

    assert num_usable_cores() == expected
    assert num_system_cores() == 8, "its children may use all"


def test_a_quota_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    bind_to(monkeypatch, 8)
    monkeypatch.setattr(cores, "core_quota", lambda: 3)

    assert num_usable_cores() == 3


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        pytest.param("0::/", {"cpu.max": "200000 100000\n"}, 2, id="a-container"),
        pytest.param("0::/a", {"a/cpu.max": "150000 100000\n"}, 2, id="rounded-up"),
        pytest.param("0::/a", {"a/cpu.max": "10000 100000\n"}, 1, id="at-least-one"),
        pytest.param("0::/a", {"a/cpu.max": "max 100000\n"}, None, id="none"),
        pytest.param("0::/a", {"a/cpu.max": "800000 100000\n"}, None, id="no-less-than-bound"),
        pytest.param(
            "0::/a/b",
            {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"},
            3,
            id="of-the-parent",
        ),
        pytest.param(
            "0::/a/b",
            {"a/b/cpu.max": "100000 50000\n", "a/cpu.max": "300000 100000\n"},
            2,
            id="the-least",
        ),
        pytest.param(
            "0::/docker/of/the/host", {"cpu.max": "200000 100000\n"}, 2, id="path-of-the-host"
        ),
        pytest.param(
            "12:memory:/m\n4:cpu,cpuacct:/a\n",
            {
                "cpu/a/cpu.cfs_quota_us": "250000\n",
                "cpu/a/cpu.cfs_period_us": "100000\n",
                "cpu/m/cpu.cfs_quota_us": "100000\n",
                "cpu/m/cpu.cfs_period_us": "100000\n",
            },
            3,
            id="version-1",
        ),
        pytest.param(
            "4:cpu,cpuacct:/",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            None,
            id="version-1-none",
        ),
        pytest.param("nonsense", {"cpu.max": "no numbers"}, None, id="nonsense"),
        pytest.param("", {}, None, id="nothing"),
    ],
)
def test_the_quota_of_a_container_is_read_from_its_control_groups(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: str,
    files: dict[str, str],
    expected: int | None,
) -> None:
    bind_to(monkeypatch, 8)
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    assert core_quota(tmp_path / "own", tmp_path / "root") == expected


def test_where_there_are_no_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert core_quota(tmp_path / "own", tmp_path / "root") is None
