"""The page on which people drop videos: made with gradio, which is imported nowhere else."""

from __future__ import annotations

import os
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from i3d_rgb_tf.choices import TIMELINE_FORMATS
from i3d_rgb_tf.errors import DependencyError
from i3d_rgb_tf.labels import load_labels
from i3d_rgb_tf.timeline.output.files import output_path
from i3d_rgb_tf.timeline.output.writers import check_packages
from i3d_rgb_tf.timeline.settings import SegmentSettings
from i3d_rgb_tf.ui.results import RESULTS_PATH
from i3d_rgb_tf.ui.sessions import Limits, Sessions, Shown
from i3d_rgb_tf.video.files import VIDEO_SUFFIXES

__all__ = ["check_ui_packages", "make_app", "prepare_gradio"]

_TITLE = "Timeline of a video"
_CSS = """
.gradio-container { max-width: 100rem !important; }
#result iframe { width: 100%; height: max(30rem, 92vh); border: 1px solid #8884;
  border-radius: .5rem; }
#result .downloads { display: flex; flex-wrap: wrap; gap: .4rem .6rem; align-items: baseline;
  margin: 0 0 .75rem; padding: 0; list-style: none; }
#result .downloads a { padding: .2rem .7rem; border: 1px solid #8886; border-radius: .4rem; }
#result [role=alert] { padding: .75rem 1rem; border: 1px solid #c4262e; border-radius: .5rem; }
"""
_UPLOAD_SECONDS = 30
"""How old an upload gets: it has been taken from there at once."""


def check_ui_packages() -> None:
    """Raise unless all packages are there.

    Raises
    ------
    DependencyError
        A package of the extra ``ui`` is not installed.
    """
    if find_spec("gradio") is None:
        raise DependencyError("the app needs gradio; install it: pip install 'i3d-rgb-tf[ui]'")
    check_packages(TIMELINE_FORMATS)


def prepare_gradio(folder: Path) -> None:
    """Set the environment of gradio, before it is imported.

    Its telemetry and its check for new versions are off, its files are in `folder`, and its other
    variables, with which a user may share other apps, do not change this one.
    """
    for name in list(os.environ):
        if name.startswith("GRADIO_"):
            del os.environ[name]
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(folder),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
    }


def make_app(parent: Any, sessions: Sessions, limits: Limits) -> None:
    """Mount the page at the root of a FastAPI application.

    Parameters
    ----------
    parent
        The application; it serves the files of results at `RESULTS_PATH`.
    sessions
        Finds the timelines, one at a time; other users wait.
    limits
        What a video may be.
    """
    import gradio

    # Names, not files that are loaded.
    fonts = [gradio.themes.Font(name) for name in ("system-ui", "sans-serif")]
    mono = [gradio.themes.Font(name) for name in ("ui-monospace", "monospace")]
    gradio.mount_gradio_app(
        parent,
        _make_page(gradio, sessions, limits),
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=limits.num_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=gradio.themes.Default(font=fonts, font_mono=mono),
        css=_CSS,
    )


def _make_page(gradio: Any, sessions: Sessions, limits: Limits) -> Any:
    with gradio.Blocks(
        title=_TITLE,
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(_UPLOAD_SECONDS, _UPLOAD_SECONDS),
    ) as page:
        gradio.Markdown(f"# {_TITLE}")
        upload = gradio.File(
            label=f"Video of up to {limits.megabytes} MB and {limits.minutes} minutes",
            file_types=sorted(VIDEO_SUFFIXES),
            height=120,
            elem_id="upload",
        )
        settings = _make_settings(gradio)
        result = gradio.HTML(elem_id="result", min_height=80)
        key = gradio.State("", delete_callback=sessions.end)

        def start(upload: str | None, before: str) -> tuple[str, str]:
            return sessions.start(upload, before), ""

        def infer(key: str) -> str:
            sessions.infer(key)
            return ""

        def show(
            key: str, labels: list[str] | None, enter: float | None, leave: float | None
        ) -> str:
            shown = sessions.show(key, labels=labels or (), enter=enter, leave=leave)
            return _alert(shown.error) or _frame(shown)

        hidden = {"api_visibility": "private"}
        at_once = {"concurrency_limit": None}
        # One for all users; a video may be dropped while the one before is inferred.
        alone = {"concurrency_limit": 1, "trigger_mode": "multiple"}
        started = upload.upload(start, [upload, key], [key, result], **hidden, **at_once)
        inferred = started.then(infer, key, result, **hidden, **alone)
        inferred.then(show, [key, *settings], result, trigger_mode="multiple", **hidden)
        upload.clear(start, [upload, key], [key, result], **hidden, **at_once)
        for each in settings:
            # While one is dragged, only the last of those that wait is shown.
            each.change(show, [key, *settings], result, trigger_mode="always_last", **hidden)
    return page.queue(api_open=False)


def _make_settings(gradio: Any) -> tuple[Any, Any, Any]:
    """Make the inputs for the labels, `enter` and `leave`."""
    defaults = SegmentSettings()
    with gradio.Accordion("Labels and thresholds", open=False, elem_id="settings"):
        labels = gradio.Dropdown(
            choices=sorted(load_labels()),
            multiselect=True,
            label="Labels to look for (all 400 if none is chosen)",
            elem_id="labels",
        )
        enter, leave = (
            gradio.Slider(0.01, 1, value, step=0.01, label=label, elem_id=name)
            for name, value, label in (
                ("enter", defaults.enter, "Enter: a segment somewhere reaches this probability"),
                ("leave", defaults.leave, "Leave: it lasts while the probability is at least this"),
            )
        )
    for each in (enter, leave):
        # A number that is being typed may be out of range for now: the settings say so.
        each.preprocess = lambda typed: typed
    return labels, enter, leave


def _alert(message: str) -> str:
    return f'<p role="alert">{escape(message)}</p>' if message else ""


def _frame(shown: Shown) -> str:
    """Return the page of a result in a frame, under the links to its files."""
    if not shown.result:
        return ""
    addresses = {
        each: escape(
            f"{RESULTS_PATH}/{shown.result}/{quote(output_path(Path(), shown.video, each).name)}"
        )
        for each in TIMELINE_FORMATS
    }
    links = "".join(
        f'<li><a href="{address}?download" target="_blank" data-format="{each}">{each}</a></li>'
        for each, address in addresses.items()
    )
    return (
        f'<ul class="downloads"><li>Download:</li>{links}</ul>'
        f'<iframe src="{addresses["html"]}" title="Timeline"></iframe>'
    )
