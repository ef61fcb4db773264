"""HTML pages from templates: each is one file that asks for nothing else.

A page NAME is made of ``NAME.html.jinja``, ``NAME.css`` and, if it has one, ``NAME.js`` in
``data/``. Its Content-Security-Policy has the digests of its style and of its script, and allows
no other, so that a name that got into the page as an element could do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

__all__ = ["render_template"]

_FOLDER = Path(__file__).parent / "data"


def render_template(
    name: str,
    values: Mapping[str, object],
    *,
    sources: Mapping[str, str] | None = None,
) -> str:
    """Return a page; every value is escaped.

    Parameters
    ----------
    name
        Name of the template: ``timeline`` or ``report``.
    values
        What the template shows.
    sources
        What else the policy allows, such as ``{"media-src": "data:"}``.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    parts = {"style": _read(f"{name}.css"), "script": _read(f"{name}.js")}
    allowed = {"default-src": "'none'"}
    allowed |= {f"{kind}-src": _digest(text) for kind, text in parts.items() if text}
    allowed |= {"base-uri": "'none'", "form-action": "'none'", **(sources or {})}
    policy = "; ".join(f"{kind} {source}" for kind, source in allowed.items())
    return environment.get_template(f"{name}.html.jinja").render(values, policy=policy, **parts)


def _read(name: str) -> str:
    path = _FOLDER / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _digest(text: str) -> str:
    r"""Return what a policy calls the one text that it allows in an element.

    >>> _digest("doSomething();")
    "'sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc='"
    """
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
