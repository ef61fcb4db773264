"""The files of results as the server gives them, without a browser."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from i3d_rgb_tf.timeline.output.writers import WRITERS
from i3d_rgb_tf.ui import server
from i3d_rgb_tf.ui.results import RESULTS_PATH, Results
from timelines import make_timeline
from videos import gray, write_video

THREADS = 40
"""Of the pool in which an application of FastAPI writes files."""


def test_texts_do_not_wait_for_annotated_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = tmp_path / "dance.mp4"
    write_video(video, [gray(100)] * 100)
    results = Results(tmp_path)
    names = [
        results.add(make_timeline(str(video), {"zumba": [0.9] * 4})) for _ in range(THREADS + 2)
    ]
    done = threading.Event()
    encoding: list[Path] = []

    def encode(_: object, path: Path) -> None:
        encoding.append(path)
        assert done.wait(timeout=60)

    monkeypatch.setitem(WRITERS, "mp4", replace(WRITERS["mp4"], write=encode))
    transport = httpx.ASGITransport(server._make_routes(results))

    async def ask() -> tuple[httpx.Response, int, list[httpx.Response]]:
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            annotated = [
                asyncio.create_task(client.get(f"{RESULTS_PATH}/{name}/dance.annotated.mp4"))
                for name in names
            ]
            while not encoding:
                await asyncio.sleep(0.01)
            text = await asyncio.wait_for(client.get(f"{RESULTS_PATH}/{names[0]}/dance.vtt"), 30)
            at_once = len(encoding)
            done.set()
            return text, at_once, await asyncio.gather(*annotated)

    text, at_once, annotated = asyncio.run(ask())

    assert (text.status_code, at_once) == (200, 1)
    assert "zumba" in text.text
    assert [each.status_code for each in annotated] == [200] * len(names)
    assert len(encoding) == len(names)
