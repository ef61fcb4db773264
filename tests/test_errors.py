"""What the errors of other libraries say in one line, and that their own lines are dropped."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from i3d_rgb_tf.errors import (
    MEMORY_REMEDY,
    VideoError,
    last_line,
    remedy_or_memory,
    silent_standard_error,
)

NOT_UTF8 = UnicodeDecodeError(
    "utf-8", b"Exception from a.cpp:1:\nno layer \xe9\n", 33, 34, "invalid"
)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("Exception from a.cpp:1:\n  no layer\n\n"), "no layer"),
        (RuntimeError("no \x0b\u2028layer"), "no \x0b\u2028layer"),
        (RuntimeError(""), "RuntimeError"),
        (RuntimeError("x" * 70_000 + "y"), "x" * 247 + " ... " + "x" * 246 + "y"),
        (NOT_UTF8, "no layer \ufffd"),
        (RuntimeError("std::bad_alloc"), "out of memory"),
        (MemoryError(), "out of memory"),
        (MemoryError("Unable to allocate 8 GiB"), "Unable to allocate 8 GiB"),
    ],
)
def test_the_reason_is_the_last_line(error, line):
    assert last_line(error) == line


@pytest.mark.parametrize(
    ("error", "lacking"),
    [
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("Failed to allocate 88008704 bytes of memory"), True),
        (ImportError("libx265.so: cannot allocate memory in static TLS block"), True),
        (RuntimeError("CL_OUT_OF_RESOURCES: Out of memory"), True),
        (MemoryError("Unable to allocate 8 GiB"), True),
        (RuntimeError("cannot read memory.xml"), False),
        (RuntimeError("cannot read allocate.xml"), False),
    ],
)
def test_the_remedy_is_about_memory_only_if_it_was_not_enough(error, lacking):
    assert remedy_or_memory(error, "convert again") == (
        MEMORY_REMEDY if lacking else "convert again"
    )


def test_a_message_is_one_line_that_cannot_control_a_terminal():
    error = VideoError("cannot read a\x1b[2J\n\u202eb\udcff.mp4")

    assert str(error) == r"cannot read a\x1b[2J\n\u202eb\udcff.mp4"


def test_a_message_is_not_longer_than_can_be_read():
    error = VideoError(f"x.mp4 has sizes {list(range(9_000))}; get another copy")

    assert len(str(error)) <= 1000
    assert str(error).startswith("x.mp4 has sizes [0, 1,")
    assert str(error).endswith("8999]; get another copy")


def test_two_threads_that_are_silent_at_once_leave_standard_error_as_it_was():
    before = os.fstat(2)
    inside, go_on = threading.Event(), threading.Event()

    def first():
        with silent_standard_error():
            inside.set()
            go_on.wait(1)

    def second():
        inside.wait(5)
        with silent_standard_error():
            go_on.set()

    threads = [threading.Thread(target=each) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert os.path.samestat(os.fstat(2), before)


def test_only_what_the_body_prints_is_dropped(capfd):
    os.write(2, b"before ")
    with silent_standard_error():
        os.write(2, b"during ")
        subprocess.run(["sh", "-c", "echo a child >&2"], check=True)
    os.write(2, b"after")

    assert capfd.readouterr().err == "before after"


def test_standard_error_is_restored_after_an_error(capfd):
    with pytest.raises(ValueError, match="no"), silent_standard_error():
        raise ValueError("no")
    os.write(2, b"after")

    assert capfd.readouterr().err == "after"


@pytest.mark.parametrize("broken", ["2>&-", "2> /dev/full"])
def test_a_broken_standard_error_is_no_error(broken):
    script = (
        "import os; from i3d_rgb_tf.errors import silent_standard_error\n"
        "with silent_standard_error(): print('done')\n"
    )
    command = ["sh", "-c", f'exec "$0" -c "$1" {broken}', sys.executable, script]

    result = subprocess.run(command, capture_output=True, text=True)

    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")
