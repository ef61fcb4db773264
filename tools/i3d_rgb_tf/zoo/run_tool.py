"""Run a tool of the installed zoo, in this process, on a copy of its models with our entry."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from i3d_rgb_tf.choices import ZooTool
from i3d_rgb_tf.errors import ZooError
from i3d_rgb_tf.spec import entry_folder, load_spec
from i3d_rgb_tf.temporary import temporary_folder, temporary_root
from i3d_rgb_tf.zoo.installation import ZOO_PACKAGES, find_zoo

__all__ = ["run_tool"]


def run_tool(tool: ZooTool, arguments: Sequence[str]) -> int:
    """Run ``omz_<tool>`` as it is installed, with our entry among its models; changes no zoo.

    Parameters
    ----------
    tool
        Which tool, without its ``omz_``.
    arguments
        The arguments of the tool.

    Returns
    -------
    int
        The tool's exit status.

    Raises
    ------
    ZooError
        No zoo is installed, it does not have this tool, or the tool ends with a message.
    """
    model_root = find_zoo().model_root
    common, main = _load(tool)
    with temporary_folder(temporary_root()) as folder:
        common.MODEL_ROOT = _overlay(model_root, folder / "models")
        sys.argv = [f"omz_{tool}", *arguments]
        try:
            status = main()
        except SystemExit as end:
            status = end.code
    if isinstance(status, str):
        raise ZooError(f"omz_{tool}: {status}")
    return status or 0


def _load(tool: str) -> tuple[Any, Any]:
    for package in ZOO_PACKAGES:
        name = f"{package}.omz_{tool}"
        try:
            module = importlib.import_module(name)
            return importlib.import_module(f"{package}._common"), module.main
        except ImportError as error:
            # The tool itself or a package above it is missing, not something it imports.
            missing = isinstance(error, ModuleNotFoundError)
            if not (missing and f"{name}.".startswith(f"{error.name}.")):
                raise ZooError(
                    f"omz_{tool} cannot start: {error}; list missing dependencies with: pip check"
                ) from error
    raise ZooError(f"the zoo installed here has no omz_{tool}; openvino-dev 2023.3 has them all")


def _overlay(model_root: Path, overlay: Path) -> Path:
    """Link every file of the zoo's models into a new folder, and put our entry there."""
    # The tools follow links to files, not to folders.
    shutil.copytree(model_root, overlay, copy_function=_link_or_copy)
    entry = load_spec().folder(overlay)
    shutil.rmtree(entry, ignore_errors=True)
    shutil.copytree(entry_folder(), entry)
    return overlay


def _link_or_copy(source: str, target: str) -> None:
    try:
        Path(target).symlink_to(source)
    except OSError:
        # On Windows few users may make links; these files are small.
        shutil.copyfile(source, target)
