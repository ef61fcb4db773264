"""Put our entry into an installed model zoo, take it out again, and tell which is there.

Every step leaves the zoo with a working entry, whenever it is interrupted:

1. What will be replaced is copied to the records, outside the model root.
2. The manifest, which says what is theirs and what is ours, is replaced in one step.
3. The files of the entry are replaced one by one, each in one step, ``model.yml`` last.

Before the last step the downloader and the converter still have the old entry, because they look
at nothing that ``model.yml`` does not name, but for ``pre-convert.py``, and ours does nothing
beside a ``model.yml`` that is not ours. To take the entry out the order is the reverse.

Whose ``model.yml`` it is decides what a file is that is neither theirs nor ours by its digest:
beside ours it is an edit of ours, beside theirs it came with a new installation of the zoo.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from i3d_rgb_tf.errors import ZooError
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.spec import entry_folder
from i3d_rgb_tf.zoo import Zoo, changing, entry_digests, has_our_layout, reading

__all__ = ["State", "Status", "register", "registration", "unregister"]

State = Literal["stock", "ours", "outdated", "edited", "interrupted", "overwritten"]

_LAST = "model.yml"
_MANIFEST = "manifest.json"
_MISSING = ""
"""Stands for the digest of a file that was deleted by hand."""


@dataclass(frozen=True)
class Status:
    """Which entry a zoo has."""

    state: State
    """``stock``: the zoo's own, or none. ``ours``: this package's. ``outdated``: ours of another
    version. ``edited``: ours, with changes made by hand. ``interrupted``: a register or unregister
    did not end. ``overwritten``: ours was registered, and the zoo was installed again since."""
    entry: str
    """Folder of the entry."""
    advice: str
    """What to do."""


@dataclass(frozen=True)
class _Manifest:
    stock: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each file that was there before, by relative path."""
    ours: dict[str, list[str]] = field(default_factory=dict)
    """SHA-256 of each file we put there, in any version."""
    backup: str = ""
    """Folder in the records with the files of `stock`."""
    complete: bool = False
    """Whether every file of ours was put in place, and none taken out since."""


_ADVICE: dict[State, str] = {
    "stock": "put ours in with: {register}",
    "ours": "nothing to do; take it out with: {unregister}",
    "outdated": "bring it up to date with: {register}",
    "edited": "undo the changes with: {register}; take it out with: {unregister}",
    "interrupted": "finish with: {register}, or {unregister}",
    "overwritten": "put ours in again with: {register}",
}
_OVERLAY = (
    "leave it as it is and run its tools on our entry with: "
    "i3d-rgb-tf omz downloader --name i3d-rgb-tf"
)


def registration(zoo: Zoo) -> Status:
    """Tell which entry a zoo has; changes nothing.

    Raises
    ------
    ZooError
        The entry or our records cannot be read.
    """
    with reading(zoo.entry):
        state = _state(zoo, _read_manifest(zoo))
    commands = {name: zoo.command(name) for name in ("register", "unregister")}
    return Status(state, str(zoo.entry), _ADVICE[state].format(**commands))


def register(zoo: Zoo) -> Status:
    """Put our entry into a zoo and keep what it replaces; does nothing when it is there.

    Returns
    -------
    Status
        The state that was found.

    Raises
    ------
    ZooError
        The zoo cannot be written, or another process is changing it.
    """
    # The overlay is of the zoo in this environment.
    with changing(zoo, instead="" if zoo.named else _OVERLAY):
        found = registration(zoo)
        manifest = _read_manifest(zoo)
        # One that was killed at its very end is ended.
        if found.state != "ours" or (manifest and not manifest.complete):
            _put_in(zoo, manifest)
        return found


def unregister(zoo: Zoo) -> Status:
    """Give a zoo back what our entry replaced, byte for byte, and remove what only we added.

    Returns
    -------
    Status
        The state that was found.

    Raises
    ------
    ZooError
        The zoo cannot be written, another process is changing it, or what it had is not kept.
    """
    if not zoo.records.is_dir():
        return _without_manifest(zoo)
    with changing(zoo):
        manifest = _read_manifest(zoo)
        if manifest:
            found = registration(zoo)
            _take_out(zoo, manifest)
        else:
            found = _without_manifest(zoo)
        shutil.rmtree(zoo.records)
    return found


def _without_manifest(zoo: Zoo) -> Status:
    found = registration(zoo)
    if found.state == "ours":
        raise ZooError(
            f"{zoo.entry} is ours, but {zoo.records / _MANIFEST}, which says what it replaced, "
            f"is gone; {zoo.restore()}"
        )
    return found


def _state(zoo: Zoo, manifest: _Manifest | None) -> State:
    found = entry_digests(zoo.entry)
    # Files that are neither ours nor named by the manifest are nobody's business.
    if entry_digests().items() <= found.items():
        return "ours"
    if manifest is None:
        return "stock"
    if not manifest.complete:
        return "interrupted"
    if not _is_ours(zoo, found, manifest):
        return "overwritten"
    placed = all(found.get(name) in digests for name, digests in manifest.ours.items())
    return "outdated" if placed else "edited"


def _is_ours(zoo: Zoo, found: dict[str, str], manifest: _Manifest) -> bool:
    """Tell whether the entry that is in force is ours, edited or not."""
    digest = found.get(_LAST)
    if digest in manifest.ours.get(_LAST, ()):
        return True
    return digest != manifest.stock.get(_LAST) and has_our_layout(zoo.entry / _LAST)


def _with_edits(zoo: Zoo, found: dict[str, str], manifest: _Manifest) -> _Manifest:
    """Count what was changed in our entry by hand as ours, so that it is never kept as theirs."""
    if not _is_ours(zoo, found, manifest):
        return manifest
    ours = {
        name: sorted({*digests, found.get(name, _MISSING)})
        for name, digests in manifest.ours.items()
    }
    return replace(manifest, ours=ours)


def _put_in(zoo: Zoo, previous: _Manifest | None) -> None:
    manifest = _keep_stock(zoo, previous or _Manifest())
    _write_manifest(zoo, manifest)
    ours = entry_folder()
    for name in _ordered(entry_digests(), last=_LAST):
        _replace(zoo, ours / name, zoo.entry / name)
    _write_manifest(zoo, replace(manifest, complete=True))
    for folder in zoo.records.glob("stock-*"):
        if folder.name != manifest.backup:
            shutil.rmtree(folder)


def _keep_stock(zoo: Zoo, previous: _Manifest) -> _Manifest:
    """Copy what is the zoo's own in the entry now, or was before we came, to a new backup."""
    found = entry_digests(zoo.entry)
    in_force = _is_ours(zoo, found, previous) if previous.ours else False
    placed = _with_edits(zoo, found, previous).ours if in_force else previous.ours
    ours = {name: [digest] for name, digest in entry_digests().items()}
    for name, digests in placed.items():
        # Once registered, none of ours is missing.
        ours[name] = sorted({*digests, *ours.get(name, ())} - {_MISSING})
    kept: dict[str, Path] = {}
    for name, digest in found.items():
        if digest not in ours.get(name, ()):
            kept[name] = zoo.entry / name
    for name in previous.stock.keys() & ours.keys():
        # Beside theirs, a file that we do not know to be missing is not in their new installation.
        known = name in found or _MISSING in previous.ours.get(name, ())
        if name not in kept and (in_force or known):
            kept[name] = zoo.records / previous.backup / name
    numbers = [int(each.name.removeprefix("stock-")) for each in zoo.records.glob("stock-*")]
    backup = f"stock-{max(numbers, default=0) + 1}"
    for name, path in kept.items():
        target = zoo.records / backup / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    stock = {name: file_digest(zoo.records / backup / name, "sha256") for name in sorted(kept)}
    return _Manifest(stock, ours, backup)


def _take_out(zoo: Zoo, manifest: _Manifest) -> None:
    backup = zoo.records / manifest.backup
    for name, digest in manifest.stock.items():
        if not (backup / name).is_file() or file_digest(backup / name, "sha256") != digest:
            raise ZooError(
                f"{backup / name} is not what was kept; remove {zoo.records}, and {zoo.restore()}"
            )
    found = entry_digests(zoo.entry)
    in_force = _is_ours(zoo, found, manifest)
    manifest = replace(_with_edits(zoo, found, manifest), complete=False)
    _write_manifest(zoo, manifest)
    # model.yml first: as soon as it is the zoo's, so is the entry.
    for name in reversed(_ordered(manifest.ours, last=_LAST)):
        if not in_force and found.get(name, _MISSING) not in manifest.ours[name]:
            continue  # A new installation brought its own, or has no such file.
        if name in manifest.stock:
            _replace(zoo, backup / name, zoo.entry / name)
        else:
            (zoo.entry / name).unlink(missing_ok=True)
    if not manifest.stock:
        _remove_if_empty(zoo.entry)
    (zoo.records / _MANIFEST).unlink()


def _replace(zoo: Zoo, source: Path, target: Path) -> None:
    """Copy a file to its place in one step; the copy is made outside the model root."""
    temporary = zoo.records / "incoming"
    shutil.copy2(source, temporary)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary.replace(target)


def _remove_if_empty(folder: Path) -> None:
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _ordered(names: dict[str, str] | dict[str, list[str]], *, last: str) -> list[str]:
    return sorted(names, key=lambda name: (name == last, name))


def _read_manifest(zoo: Zoo) -> _Manifest | None:
    path = zoo.records / _MANIFEST
    try:
        return _Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError) as error:
        raise ZooError(
            f"cannot read {path}: {error}; remove {zoo.records}, and {zoo.restore()}"
        ) from error


def _write_manifest(zoo: Zoo, manifest: _Manifest) -> None:
    temporary = zoo.records / f"{_MANIFEST}.part"
    temporary.write_text(json.dumps(asdict(manifest), indent=2), encoding="utf-8")
    temporary.replace(zoo.records / _MANIFEST)
