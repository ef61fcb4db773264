"""The cache of compiled models: damaged models and digests, and other things in their place."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from hostile.cases import Case, Kind, Setting
from hostile.mutations import damage_bytes, hostile_text

__all__ = ["KINDS"]

_DIGEST_BYTES = 32
"""A file in the cache begins with its digest."""
_SHARE_INFERRED = 0.25
"""Of the cases; one inference takes as long as the rest."""


@dataclass
class _Templates:
    model: Path
    folder: Path = Path()
    """Of the cache, relative to that of the user; empty until the first case is made."""
    files: dict[str, bytes] = field(default_factory=dict)
    outputs: Any = None


def _make_templates(folder: Path) -> None:
    from networks import save_small_network

    save_small_network(folder / "model" / "small.xml")


def _load(folder: Path) -> _Templates:
    return _Templates(folder / "model" / "small.xml")


def _compile_first(templates: _Templates, folder: Path) -> None:
    """Fill the cache of a model at the path that it has in every case."""
    templates.outputs = _predict(_copy_model(templates, folder), folder)
    (blob,) = folder.rglob("*.blob")
    templates.files = {each.name: each.read_bytes() for each in blob.parent.iterdir()}
    templates.folder = blob.parent.relative_to(folder)
    shutil.rmtree(blob.parent)


def _copy_model(templates: _Templates, folder: Path) -> Path:
    for suffix in (".xml", ".bin"):
        source = templates.model.with_suffix(suffix)
        shutil.copyfile(source, folder / source.name)
    return folder / templates.model.name


def _predict(path: Path, cache: Path, *, infer: bool = True) -> Any:
    import numpy as np

    from i3d_rgb_tf.model import load_model

    os.environ["XDG_CACHE_HOME"] = str(cache)
    try:
        model = load_model(path, inference_precision="f32")
        # Compile it.
        _ = model.networks.clip
    finally:
        os.environ["XDG_CACHE_HOME"] = os.environ["HOME"]
    return model.predict(np.full((79, 224, 224, 3), 100, np.uint8)) if infer else None


def _make(rng: Random, setting: Setting) -> Case:
    templates: _Templates = setting.templates
    if not templates.files:
        _compile_first(templates, setting.folder)
    model = _copy_model(templates, setting.folder)
    folder = setting.folder / templates.folder
    folder.mkdir(parents=True, exist_ok=True)
    blob = next(name for name in templates.files if name.endswith(".blob"))
    for name, content in templates.files.items():
        (folder / name).write_bytes(content)
    way = rng.choice(
        ("blob", "blob", "blob", "blob", "digest", "digest", "none", "place", "as it is")
    )
    what = ""
    path, content = folder / blob, templates.files[blob]
    digest, exported = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if way == "blob":
        damaged, what = damage_bytes(rng, content)
        path.write_bytes(damaged)
    elif way == "digest":
        digest, what = damage_bytes(rng, digest)
        if rng.random() < 0.3:
            digest = hostile_text(rng).encode("utf-8", "replace")
        path.write_bytes(digest + exported)
    elif way == "none":
        path.write_bytes(damage_bytes(rng, exported)[0])
    elif way == "place":
        what = _put_in_place(rng, setting, path)
    return Case(
        folder,
        f"{way} {what}",
        data={
            "model": model,
            "cache": setting.folder,
            "outputs": templates.outputs if rng.random() < _SHARE_INFERRED else None,
        },
    )


def _put_in_place(rng: Random, setting: Setting, path: Path) -> str:
    """Put something that is no file where one is expected."""
    path.unlink()
    what = rng.choice(("folder", "full folder", "link", "circle", "pipe", "folder is a file"))
    if what in {"folder", "full folder"}:
        path.mkdir()
        if what == "full folder":
            (path / "x").write_bytes(b"x")
    elif what == "link":
        path.symlink_to(setting.folder / "nowhere")
    elif what == "circle":
        path.symlink_to(path.name)
    elif what == "pipe":
        os.mkfifo(path)
    else:
        shutil.rmtree(path.parent)
        path.parent.write_bytes(b"x")
    return what


def _use(case: Case) -> None:
    expected = case.data["outputs"]
    found = _predict(case.data["model"], case.data["cache"], infer=expected is not None)
    if expected is not None and not (found == expected).all():
        raise AssertionError("a damaged compiled model gave other predictions")


KINDS = {
    "cache": Kind(
        "compiled-model caches",
        "`load_model`",
        _make,
        _use,
        make_templates=_make_templates,
        load=_load,
        imports=("numpy", "platformdirs", "i3d_rgb_tf.model"),
        may_write=True,
    )
}
