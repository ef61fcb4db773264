"""Register our entry in an installed model zoo, unregister it, and report which entry is there.

The zoo has a working entry after every step, so an interruption does no harm:

1. The files that will be replaced are copied to the records folder, outside the model root.
2. The registration record, which lists their files and ours, is replaced atomically.
3. The files of the entry are replaced one by one, each atomically, ``model.yml`` last.

What is copied comes from a temporary folder, which the next run removes if this one is killed.

Before the last step the downloader and the converter still see the old entry: they read only what
``model.yml`` names. The exception is ``pre-convert.py``, and ours does nothing beside a
``model.yml`` that is not ours. Unregistering goes the other way round.

A file may be neither theirs nor ours by its digest. Then ``model.yml`` decides: beside ours it is
an edit of ours, beside theirs it came with a new installation of the zoo.
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
from i3d_rgb_tf.temporary import remove_leftovers, temporary_folder
from i3d_rgb_tf.zoo.installation import Zoo, changing, entry_digests, has_our_layout, reading

__all__ = ["State", "Status", "read_status", "register", "unregister"]

State = Literal["stock", "ours", "outdated", "edited", "interrupted", "overwritten"]

_LAST = "model.yml"
_RECORD = "registration.json"
_MISSING = ""
"""In place of the digest of a file that was deleted by hand."""


@dataclass(frozen=True)
class Status:
    """Which entry a zoo has."""

    state: State
    """``stock``: the zoo's own, or none. ``ours``: this package's. ``outdated``: ours, from another
    version. ``edited``: ours, edited by hand. ``interrupted``: a register or unregister did not
    finish. ``overwritten``: ours was registered, and the zoo was installed again since."""
    entry: str
    """Folder of the entry."""
    advice: str
    """What the user can do."""


@dataclass(frozen=True)
class _Record:
    stock: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each file that was there before ours, by relative path."""
    ours: dict[str, list[str]] = field(default_factory=dict)
    """SHA-256 digests of each of our files, in every version that was registered."""
    backup: str = ""
    """Folder in the records folder with the files of `stock`."""
    complete: bool = False
    """Whether every file of ours was put in place, and none was removed since."""


_ADVICE: dict[State, str] = {
    "stock": "register ours with: {register}",
    "ours": "nothing to do; remove it with: {unregister}",
    "outdated": "update it with: {register}",
    "edited": "undo the edits with: {register}; remove it with: {unregister}",
    "interrupted": "finish with: {register}, or {unregister}",
    "overwritten": "register ours again with: {register}",
}
_RUN_INSTEAD = (
    "run its tools on our entry without changing it, with: "
    "i3d-rgb-tf zoo run downloader --name i3d-rgb-tf"
)


def read_status(zoo: Zoo) -> Status:
    """Return which entry a zoo has; changes nothing.

    Raises
    ------
    ZooError
        The entry or our records cannot be read.
    """
    with reading(zoo.entry):
        state = _state(zoo, _read_record(zoo))
    commands = {name: zoo.command(name) for name in ("register", "unregister")}
    return Status(state, str(zoo.entry), _ADVICE[state].format(**commands))


def register(zoo: Zoo) -> Status:
    """Put our entry into a zoo and keep what it replaces; does nothing if it is already there.

    Returns
    -------
    Status
        The state before.

    Raises
    ------
    ZooError
        The zoo cannot be written, or another process is changing it.
    """
    # Its tools can be run only in the environment of the zoo.
    with changing(zoo, instead="" if zoo.named else _RUN_INSTEAD):
        found = read_status(zoo)
        record = _read_record(zoo)
        # A registration that was killed just before its end is completed.
        if found.state != "ours" or (record and not record.complete):
            with temporary_folder(zoo.records) as incoming:
                _put_in(zoo, record, incoming)
        elif record:
            _remove_unused(zoo, record)
        return found


def unregister(zoo: Zoo) -> Status:
    """Restore what our entry replaced, byte for byte, and remove the files that only we added.

    Returns
    -------
    Status
        The state before.

    Raises
    ------
    ZooError
        The zoo cannot be written, another process is changing it, or what was replaced is lost.
    """
    if not zoo.records.is_dir():
        return _without_record(zoo)
    with changing(zoo):
        record = _read_record(zoo)
        if record:
            found = read_status(zoo)
            with temporary_folder(zoo.records) as incoming:
                _take_out(zoo, record, incoming)
        else:
            found = _without_record(zoo)
        shutil.rmtree(zoo.records)
    return found


def _without_record(zoo: Zoo) -> Status:
    found = read_status(zoo)
    if found.state == "ours":
        raise ZooError(
            f"{zoo.entry} is ours, but {zoo.records / _RECORD}, which lists what it replaced, "
            f"is missing; {zoo.restore_advice()}"
        )
    return found


def _state(zoo: Zoo, record: _Record | None) -> State:
    found = entry_digests(zoo.entry)
    # Other files in the folder do not matter.
    if entry_digests().items() <= found.items():
        return "ours"
    if record is None:
        return "stock"
    if not record.complete:
        return "interrupted"
    if not _is_ours(zoo, found, record):
        return "overwritten"
    placed = all(found.get(name) in digests for name, digests in record.ours.items())
    return "outdated" if placed else "edited"


def _is_ours(zoo: Zoo, found: dict[str, str], record: _Record) -> bool:
    """Return whether the active entry is ours, edited or not."""
    digest = found.get(_LAST)
    if digest in record.ours.get(_LAST, ()):
        return True
    return digest != record.stock.get(_LAST) and has_our_layout(zoo.entry / _LAST)


def _with_edits(zoo: Zoo, found: dict[str, str], record: _Record) -> _Record:
    """Add our files that were edited by hand to ours, so that they are never kept as theirs."""
    if not _is_ours(zoo, found, record):
        return record
    ours = {
        name: sorted({*digests, found.get(name, _MISSING)}) for name, digests in record.ours.items()
    }
    return replace(record, ours=ours)


def _put_in(zoo: Zoo, previous: _Record | None, incoming: Path) -> None:
    previous = previous or _Record()
    _remove_unused(zoo, previous)
    record = _keep_stock(zoo, previous, incoming)
    _write_record(zoo, record, incoming)
    ours = entry_folder()
    for name in _ordered(entry_digests(), last=_LAST):
        _replace(ours / name, zoo.entry / name, incoming)
    record = replace(record, complete=True)
    _write_record(zoo, record, incoming)
    _remove_unused(zoo, record)


def _remove_unused(zoo: Zoo, record: _Record) -> None:
    """Remove backups that no record names, and what a killed run of an earlier version left."""
    remove_leftovers(zoo.records)
    for folder in zoo.records.glob("stock-*"):
        if folder.name != record.backup:
            shutil.rmtree(folder)
    for name in ("incoming", f"{_RECORD}.part"):
        (zoo.records / name).unlink(missing_ok=True)


def _keep_stock(zoo: Zoo, previous: _Record, incoming: Path) -> _Record:
    """Copy the zoo's own files, those of now and those that we replaced, to a new backup."""
    found = entry_digests(zoo.entry)
    is_active = _is_ours(zoo, found, previous) if previous.ours else False
    placed = _with_edits(zoo, found, previous).ours if is_active else previous.ours
    ours = {name: [digest] for name, digest in entry_digests().items()}
    for name, digests in placed.items():
        # After this registration none of ours is missing.
        ours[name] = sorted({*digests, *ours.get(name, ())} - {_MISSING})
    kept: dict[str, Path] = {}
    for name, digest in found.items():
        if digest not in ours.get(name, ()):
            kept[name] = zoo.entry / name
    for name in previous.stock.keys() & ours.keys():
        # A missing file, if we did not see it deleted, is not part of their new installation.
        known = name in found or _MISSING in previous.ours.get(name, ())
        if name not in kept and (is_active or known):
            kept[name] = zoo.records / previous.backup / name
    number = int(previous.backup.removeprefix("stock-") or 0)
    backup = zoo.records / previous.backup
    if number and _digests(kept) == previous.stock == entry_digests(backup):
        return replace(previous, ours=ours, complete=False)
    new = f"stock-{number + 1}"
    copies = {name: incoming / new / name for name in kept}
    for name, path in kept.items():
        copies[name].parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copies[name])
    record = _Record(_digests(copies), ours, new)
    if copies:
        (incoming / new).replace(zoo.records / new)
    return record


def _digests(paths: dict[str, Path]) -> dict[str, str]:
    return {name: file_digest(path, "sha256") for name, path in sorted(paths.items())}


def _take_out(zoo: Zoo, record: _Record, incoming: Path) -> None:
    backup = zoo.records / record.backup
    for name, digest in record.stock.items():
        if not (backup / name).is_file() or file_digest(backup / name, "sha256") != digest:
            raise ZooError(
                f"{backup / name} was changed since it was kept; remove {zoo.records}, and "
                f"{zoo.restore_advice()}"
            )
    found = entry_digests(zoo.entry)
    is_active = _is_ours(zoo, found, record)
    record = replace(_with_edits(zoo, found, record), complete=False)
    _write_record(zoo, record, incoming)
    # model.yml first: from then on the entry is the zoo's.
    for name in reversed(_ordered(record.ours, last=_LAST)):
        if not is_active and found.get(name, _MISSING) not in record.ours[name]:
            continue  # A new installation brought its own file, or has none.
        if name in record.stock:
            _replace(backup / name, zoo.entry / name, incoming)
        else:
            (zoo.entry / name).unlink(missing_ok=True)
    if not record.stock:
        _remove_if_empty(zoo.entry)
    (zoo.records / _RECORD).unlink()


def _replace(source: Path, target: Path, incoming: Path) -> None:
    """Replace a file atomically; the temporary copy is outside the model root."""
    temporary = incoming / "file"
    shutil.copy2(source, temporary)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary.replace(target)


def _remove_if_empty(folder: Path) -> None:
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _ordered(names: dict[str, str] | dict[str, list[str]], *, last: str) -> list[str]:
    return sorted(names, key=lambda name: (name == last, name))


def _read_record(zoo: Zoo) -> _Record | None:
    path = zoo.records / _RECORD
    try:
        return _Record(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ZooError(
            f"cannot read {path}: {reason}; remove {zoo.records}, and {zoo.restore_advice()}"
        ) from error


def _write_record(zoo: Zoo, record: _Record, incoming: Path) -> None:
    temporary = incoming / _RECORD
    temporary.write_text(json.dumps(asdict(record), indent=2), encoding="utf-8")
    temporary.replace(zoo.records / _RECORD)
