"""An installed model zoo: where it is, the digests of its entry, and its lock."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import shlex
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from i3d_rgb_tf.errors import ModelError, ZooError
from i3d_rgb_tf.hashes import file_digest
from i3d_rgb_tf.locks import locked_file
from i3d_rgb_tf.spec import entry_folder, load_spec, read_document
from i3d_rgb_tf.storage import remedy_for
from i3d_rgb_tf.temporary import made_folder

__all__ = [
    "ZOO_PACKAGES",
    "Zoo",
    "changing",
    "entry_digests",
    "find_zoo",
    "has_our_layout",
    "reading",
]

ZOO_PACKAGES = ("omz_tools", "openvino.model_zoo")
"""The import names of the zoo's tools, in openvino-dev 2024 and in 2023."""

_BYTE_CODE = "__pycache__"
_LOCK_TIMEOUT_SECONDS = 60
_LOCK_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Zoo:
    """A model zoo, as the zoo's own tools read it."""

    model_root: Path
    """Its folder of models, which contains ``public/``."""
    named: Path | None = field(default=None, compare=False)
    """The folder the user gave; None for the zoo installed in this environment."""

    @property
    def entry(self) -> Path:
        """The folder of our model in it."""
        return load_spec().folder(self.model_root)

    @property
    def records(self) -> Path:
        """The folder that keeps the replaced files and the registration record.

        It is outside the model root, where the tools take every ``model.yml`` for a model.
        """
        return self.model_root.parent / ".i3d-rgb-tf"

    def command(self, name: str) -> str:
        """Return the command line for an action on this zoo, such as ``register``."""
        zoo = f" --zoo {shlex.quote(str(self.named))}" if self.named else ""
        return f"i3d-rgb-tf zoo {name}{zoo}"

    def restore_advice(self) -> str:
        """Return how a user can restore the zoo's own entry without our records."""
        install = "pip install --force-reinstall --no-deps"
        tools, openvino = _version("openvino-dev"), _version("openvino")
        if self.named or not tools:
            return (
                f"restore the zoo's own {self.entry}: in a checkout with git, in an "
                f"installation with: {install} openvino-dev==VERSION"
            )
        # Installing the tools of another release overwrites openvino/__init__.py.
        again = "" if tools == openvino else f" && {install} openvino=={openvino}"
        return f"install the zoo's tools again with: {install} openvino-dev=={tools}{again}"


def find_zoo(folder: Path | None = None) -> Zoo:
    """Find the zoo installed in this environment, or the one in a folder.

    Parameters
    ----------
    folder
        A checkout of the zoo, or its folder of models.

    Raises
    ------
    ZooError
        There is none, or it cannot be read.
    """
    if folder is not None:
        with reading(folder):
            for root in (folder / "models", folder):
                if (root / "public").is_dir():
                    return Zoo(root.resolve(), folder)
        raise ZooError(
            f"there is no model zoo in {folder}: it has neither models/public nor public; "
            "give the root of a checkout of the zoo, or its folder of models"
        )
    for package in ZOO_PACKAGES:
        for root in _model_roots(_package_folder(package)):
            if (root / "public").is_dir():
                return Zoo(root.resolve())
    raise ZooError(
        "no model zoo is installed in this environment; install one with: "
        "pip install 'i3d-rgb-tf[omz]', or give a checkout with --zoo DIR"
    )


def entry_digests(folder: Path | None = None) -> dict[str, str]:
    """Return the SHA-256 of each file of an entry, by relative path; by default of our own entry.

    Compiled Python files are left out. A missing folder has no files.
    """
    folder = folder or entry_folder()
    return {
        path.relative_to(folder).as_posix(): file_digest(path, "sha256")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _BYTE_CODE not in path.parts
    }


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn an `OSError` of the body into an error that names the folder.

    Raises
    ------
    ZooError
        The body raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise ZooError(
            f"cannot read {folder}: {error.strerror or error}; try again as a user who may read it"
        ) from error


@contextmanager
def changing(zoo: Zoo, *, instead: str = "") -> Iterator[None]:
    """Hold the zoo's lock while its entry is changed.

    Parameters
    ----------
    zoo
        The zoo.
    instead
        What else a user can do who may not write to the zoo.

    Raises
    ------
    ZooError
        Another process holds the lock, or the body cannot write to the zoo.
    """
    with _locked(zoo):
        try:
            with made_folder(zoo.records):
                yield
        except OSError as error:
            remedy = remedy_for(error, elsewhere=False)
            remedy = remedy or f"check {error.filename or zoo.records}"
            if instead and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                remedy += f", or {instead}"
            raise ZooError(
                f"cannot change {zoo.model_root}: {error.strerror or error}; {remedy}"
            ) from error


def has_our_layout(path: Path) -> bool:
    """Return whether a ``model.yml`` converts to our layout, whatever else it says."""
    try:
        layout = read_document(path)["input_info"][0]["layout"]
    except (ModelError, LookupError, TypeError):
        return False
    return isinstance(layout, str) and layout.endswith(f"->{load_spec().layout}")


def _version(distribution: str) -> str:
    """Return the installed version, or an empty string."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _model_roots(package: Path) -> list[Path]:
    """Return where the tools in a folder look for models; empty when there are no tools.

    Uninstalling openvino-dev leaves a folder with the files that only we added, so an existing
    folder is not enough.
    """
    if not (package / "_common.py").is_file():
        return []
    # Tools that are installed as editable read the models of their checkout.
    return [package / "models", *(parent / "models" for parent in package.parents[3:5])]


def _package_folder(package: str) -> Path:
    """Return the folder of a package without importing it, or one that does not exist."""
    try:
        found = importlib.util.find_spec(package)
    except ImportError:
        found = None
    locations = found.submodule_search_locations if found else None
    return Path(locations[0]) if locations else Path("missing")


@contextmanager
def _locked(zoo: Zoo) -> Iterator[None]:
    with ExitStack() as stack:
        if not _lock_folder(zoo, stack):
            stack.enter_context(_locked_file(zoo))
        yield


def _lock_folder(zoo: Zoo, stack: ExitStack) -> bool:
    """Wait for a lock on the folder of models itself; return False where that is not possible.

    It leaves no file behind and does not depend on the user or on the temporary folder.
    """
    try:
        import fcntl

        handle = os.open(zoo.model_root, os.O_RDONLY)
    except (ImportError, OSError):
        return False  # Windows
    stack.callback(os.close, handle)
    end = time.monotonic() + _LOCK_TIMEOUT_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise _held_by_another(zoo) from error
            time.sleep(_LOCK_POLL_SECONDS)
        except OSError:
            return False  # NFS
        else:
            return True


@contextmanager
def _locked_file(zoo: Zoo) -> Iterator[None]:
    path = _lock_path(zoo)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked_file(path, timeout_seconds=_LOCK_TIMEOUT_SECONDS))
        except TimeoutError as error:
            raise _held_by_another(zoo) from error
        except OSError as error:
            raise ZooError(
                f"cannot lock {path}: {error.strerror or error}; another user may have left it; "
                "remove it, or set TMPDIR to a folder of your own"
            ) from error
        yield


def _held_by_another(zoo: Zoo) -> ZooError:
    return ZooError(
        f"another process has been changing {zoo.entry} for {_LOCK_TIMEOUT_SECONDS} s; "
        "wait for it to end, then try again"
    )


def _lock_path(zoo: Zoo) -> Path:
    """Return a file outside the zoo, so that the zoo stays as it was."""
    name = hashlib.sha256(str(zoo.model_root).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"i3d-rgb-tf-{name}.lock"
