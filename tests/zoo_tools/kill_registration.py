"""Kill register and unregister at each of their file operations in the installed zoo.

Runs in the environment of the zoo's tools, whose own code reads the entries:

    python kill_registration.py register|unregister

Prints the number of operations. Raises at the first one that left the zoo without a working entry
or that could not be undone.
"""

import os
import signal
import subprocess
import sys
from importlib import import_module

import yaml

from i3d_rgb_tf.zoo import register as registering
from i3d_rgb_tf.zoo.installation import ZOO_PACKAGES, entry_digests, find_zoo, has_our_layout

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
OPERATIONS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.utime")

ZOO = find_zoo()
PACKAGE = next(name for name in ZOO_PACKAGES if name.replace(".", os.sep) in str(ZOO.model_root))
CONFIGURATION = import_module(f"{PACKAGE}._configuration")


def snapshot():
    """Return the bytes and modes of the entry."""
    return {
        str(path.relative_to(ZOO.entry)): (path.read_bytes(), path.stat().st_mode)
        for path in ZOO.entry.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def entries():
    """Return the paths at which the loader finds models."""
    return sorted(map(str, ZOO.model_root.glob("**/model.yml")))


def check_works(found_before):
    """The loader finds the same models, and our entry is complete or does nothing beside theirs."""
    assert entries() == found_before
    model = yaml.safe_load((ZOO.entry / "model.yml").read_text())
    CONFIGURATION.Model.deserialize(model, "i3d-rgb-tf", "public/i3d-rgb-tf", None)
    script = ZOO.entry / "pre-convert.py"
    if has_our_layout(ZOO.entry / "model.yml"):
        assert entry_digests().items() <= entry_digests(ZOO.entry).items()
    elif script.exists():
        subprocess.run([sys.executable, "--", script, "--", "in", "out"], check=True)


def run_until(action, last):
    """Run in a child that kills itself before its `last` operation; return whether it did."""
    child = os.fork()
    if child == 0:
        count = 0

        def hook(event, arguments):
            nonlocal count
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
            if writes or event in OPERATIONS:
                count += 1
                if count == last:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        action(ZOO)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status != 0


def main(name):
    """Kill it at each operation."""
    action = getattr(registering, name)
    before, found_before = snapshot(), entries()
    last, killed = 0, True
    while killed:
        last += 1
        if name == "unregister":
            registering.register(ZOO)
        killed = run_until(action, last)
        check_works(found_before)
        if last % 2:
            registering.register(ZOO)
            assert registering.read_status(ZOO).state == "ours"
            check_works(found_before)
        registering.unregister(ZOO)
        assert snapshot() == before
        assert not ZOO.records.exists()
    print(last - 1)


if __name__ == "__main__":
    main(sys.argv[1])
