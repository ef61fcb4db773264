"""Copy the zoo entry, which is outside the package, into the wheel; the rest is in setup.cfg."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_ENTRY = Path("models")
_TARGET = Path("i3d_rgb_tf", "zoo_entry")


class BuildWithEntry(build_py):
    """Copies models/ to where `i3d_rgb_tf.spec.entry_folder` looks for it in an installation."""

    def run(self) -> None:
        """Build the package, then add the entry; an editable install reads it from the sources."""
        super().run()
        if not self.editable_mode:
            for source, target in self._entry_files():
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return the files of the package and of the entry."""
        added = [] if self.editable_mode else [str(target) for _, target in self._entry_files()]
        return [*super().get_outputs(include_bytecode), *added]

    def _entry_files(self) -> list[tuple[Path, Path]]:
        target = Path(self.build_lib) / _TARGET
        return [
            (source, target / source.relative_to(_ENTRY))
            for source in sorted(_ENTRY.rglob("*"))
            if source.is_file() and "__pycache__" not in source.parts
        ]


setup(cmdclass={"build_py": BuildWithEntry})
