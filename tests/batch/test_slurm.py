"""The Slurm script of the page runs as it is written, with an `srun` that runs the command here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from i3d_rgb_tf.batch.shards import video_key
from processes import without_coverage
from videos import gray, write_video


@pytest.mark.slow
def test_the_jobs_of_an_array_do_all_videos(
    repository: Path, model_root: Path, tmp_path: Path
) -> None:
    page = (repository / "docs" / "archives.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```sh\n(#!/bin/bash\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "job.sh").write_text(script)
    (tmp_path / "srun").write_text(
        f'#!/bin/sh\nshift 2\nexec "{sys.executable}" -m i3d_rgb_tf "$@"\n'
    )
    (tmp_path / "srun").chmod(0o755)
    (tmp_path / "public").symlink_to(model_root / "public")
    videos = [f"{index}.mp4" for index in range(4)]
    for index, video in enumerate(videos):
        write_video(tmp_path / video, [gray(10 + 50 * index)] * 12)
    (tmp_path / "videos.txt").write_text("\n".join(videos))

    (jobs,) = re.findall(r"--array=1-(\d+)$", script, re.MULTILINE)
    # The other jobs have nothing to do.
    used = {int(video_key(video), 16) % int(jobs) + 1 for video in videos}
    for index in sorted(used):
        slurm = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_CPUS_PER_TASK": "1"}
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        command = ["bash", "job.sh"]
        environment = without_coverage() | slurm | path
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=300)

    names = [path.name.partition("-")[0] for path in tmp_path.glob("features/results/*/*.npz")]
    assert sorted(names) == ["0", "1", "2", "3"]
    marks = {path.name for path in tmp_path.glob("features/shards/*")}
    assert marks == {f"{index}-of-{jobs}.json" for index in used}
