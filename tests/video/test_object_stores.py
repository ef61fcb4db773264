"""Videos in object storage are read where they are, and a server that fails is told apart."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import fsspec
import numpy as np
import pytest

from i3d_rgb_tf.errors import DependencyError, VideoError
from i3d_rgb_tf.features import extract
from i3d_rgb_tf.video import object_stores, remote
from i3d_rgb_tf.video.container import open_video
from i3d_rgb_tf.video.decode import read_frames
from i3d_rgb_tf.video.files import file_size, video_file
from i3d_rgb_tf.video.length import count_frames
from i3d_rgb_tf.video.rates import read_frame_times
from i3d_rgb_tf.video.remote import BLOCK_BYTES
from i3d_rgb_tf.video.start import first_picture_seconds
from i3d_rgb_tf.whole_videos import begin_video
from live_senders import free_port
from media import ffmpeg
from object_storage import BUCKET, FAULTS, ObjectServer, put_objects, s3_environment, s3_server

pytestmark = pytest.mark.slow

NOISE = ("-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=4,noise=alls=60:allf=t", "-g", "25")
MPEG4 = ("-c:v", "mpeg4", "-q:v", "3", "-pix_fmt", "yuv420p")
KINDS = {
    "index_last.mp4": MPEG4,
    "index_first.mp4": (*MPEG4, "-movflags", "+faststart"),
    "clip.mkv": MPEG4,
    "clip.ts": ("-c:v", "mpeg2video", "-q:v", "5"),
    "clip.gif": ("-t", "1"),
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return videos of several blocks."""
    folder = tmp_path_factory.mktemp("clips")
    for name, options in KINDS.items():
        ffmpeg(*NOISE, *options, folder / name)
    return {name: folder / name for name in KINDS}


@pytest.fixture(scope="module")
def endpoint(clips: dict[str, Path]) -> Iterator[str]:
    with s3_server() as address:
        put_objects(address, clips)
        yield address


@pytest.fixture
def store(clips: dict[str, Path]) -> Iterator[ObjectServer]:
    """Give a server that does what the test says."""
    with ObjectServer({name: path.read_bytes() for name, path in clips.items()}) as server:
        yield server


@pytest.fixture(autouse=True)
def no_old_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(object_stores, "_PAUSE_SECONDS", 0.01)
    yield
    forget()


def forget() -> None:
    # fsspec keeps what it has connected to, and the environment of that moment.
    for kind in fsspec.registry.values():
        kind.clear_instance_cache()


def use_s3(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    forget()
    for name, value in s3_environment(endpoint).items():
        monkeypatch.setenv(name, value)


def frames_of(video: str | Path) -> list[np.ndarray]:
    return list(read_frames(video_file(video)))


def error_of(video: str) -> str:
    with pytest.raises(VideoError) as caught:
        frames_of(video)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", KINDS)
def test_frames_in_s3_are_those_of_the_file(name, clips, endpoint, monkeypatch):
    use_s3(monkeypatch, endpoint)
    url = f"s3://{BUCKET}/{name}"

    np.testing.assert_array_equal(frames_of(url), frames_of(clips[name]))


@pytest.mark.parametrize("name", KINDS)
def test_frames_of_a_web_server_are_those_of_the_file(name, clips, store):
    np.testing.assert_array_equal(
        frames_of(f"{store.url}/clips/{name}?signature=1"), frames_of(clips[name])
    )


@pytest.mark.parametrize("read", [count_frames, read_frame_times, first_picture_seconds, file_size])
def test_what_is_read_without_decoding_is_that_of_the_file(read, clips, store):
    name = "index_last.mp4"

    remote, local = read(video_file(f"{store.url}/clips/{name}")), read(clips[name])

    assert repr(remote) == repr(local)


def test_whole_videos_and_features_take_urls(clips, store):
    name = "index_last.mp4"
    url, path = f"{store.url}/clips/{name}", clips[name]

    there, here = begin_video(url), begin_video(path)
    frames = list(extract._Video(url, rate=None).read_frames())

    np.testing.assert_array_equal(list(there.frames()), list(here.frames()))
    assert there.count() == here.count() == len(frames) == 100
    assert there.video == url
    assert str(begin_video("s3:///a").error).startswith("cannot read s3:///a: ")


@pytest.mark.parametrize("name", KINDS)
def test_no_byte_is_read_twice(name, store):
    size = len(store.objects[name])

    frames_of(f"{store.url}/clips/{name}")

    parts = store.parts()
    assert sum(parts) == size > BLOCK_BYTES
    assert len(parts) == -(-size // BLOCK_BYTES)
    assert len(store.requests) == len(parts) + 1


@pytest.mark.parametrize("name", ["index_last.mp4", "index_first.mp4", "clip.mkv"])
def test_of_a_large_file_no_more_than_its_ends_are_read_twice(name, store, monkeypatch):
    # As many blocks as a file of 20 MB has.
    block = 2**16
    monkeypatch.setattr(remote, "BLOCK_BYTES", block)

    frames_of(f"{store.url}/clips/{name}")

    size = len(store.objects[name])
    assert size > 2 * 8 * block
    assert sum(store.parts()) <= size + 2 * block


def test_the_header_of_a_video_is_read_without_its_frames(store, monkeypatch):
    monkeypatch.setattr(remote, "BLOCK_BYTES", 2**16)

    with open_video(video_file(f"{store.url}/clips/index_last.mp4")) as container:
        assert container.streams.video[0].frames == 100

    assert sum(store.parts()) <= 5 * 2**16 < len(store.objects["index_last.mp4"]) / 5


@pytest.mark.parametrize(
    ("scheme", "fault"),
    [
        # It takes s3fs many seconds to give up.
        pytest.param(scheme, fault, marks=[pytest.mark.slow] * (scheme == "s3" and fault == "gone"))
        for scheme in ("http", "s3")
        for fault in FAULTS
    ],
)
def test_a_fault_of_a_server_is_one_clear_line(fault, scheme, store, monkeypatch, capfd):
    if FAULTS[fault].takes_long:
        monkeypatch.setattr(object_stores, "_MOST_SECONDS", 1)
    store.faults["index_first.mp4"] = fault
    url = f"{store.url}/clips/index_first.mp4"
    if scheme == "s3":
        use_s3(monkeypatch, store.url)
        url = f"s3://{BUCKET}/index_first.mp4"

    message = error_of(url)

    assert message.startswith(f"cannot read {url}: ")
    assert FAULTS[fault].message in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_stream_that_ends_at_a_fault_is_no_shorter_video(fault, store, monkeypatch):
    if FAULTS[fault].takes_long:
        monkeypatch.setattr(object_stores, "_MOST_SECONDS", 0.5)
    monkeypatch.setattr(remote, "BLOCK_BYTES", 2**18)
    store.faults["clip.ts"] = fault

    with pytest.raises(VideoError, match="^cannot read http://.*clip.ts: "):
        count_frames(video_file(f"{store.url}/clips/clip.ts"))


def test_a_fault_that_passes_is_none(clips, store):
    store.faults["clip.mkv"] = "broken_once"

    assert len(frames_of(f"{store.url}/clips/clip.mkv")) == len(frames_of(clips["clip.mkv"]))


def test_after_a_fault_the_server_is_left_alone(store):
    store.faults["clip.mkv"] = "broken_in_the_middle"
    video = video_file(f"{store.url}/clips/clip.mkv")
    for _ in range(2):
        with pytest.raises(VideoError, match="HTTP status 503"):
            list(read_frames(video))

    assert len(store.requests) == 1 + 2 + 3


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_a_server_that_is_not_there(scheme, monkeypatch):
    endpoint = f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}"
    use_s3(monkeypatch, endpoint)

    message = error_of(f"s3://{BUCKET}/a.mp4" if scheme == "s3" else f"{endpoint}/a.mp4")

    assert "the connection was refused; check that the server runs" in message


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_a_host_that_is_unknown(scheme, monkeypatch):
    use_s3(monkeypatch, "http://nowhere.invalid")

    message = error_of(f"s3://{BUCKET}/a.mp4" if scheme == "s3" else "http://nowhere.invalid/a.mp4")

    assert "the host is unknown; check the URL and the network" in message


def test_s3_without_credentials(monkeypatch, tmp_path, endpoint):
    use_s3(monkeypatch, endpoint)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))

    assert "access denied; give credentials" in error_of(f"s3://{BUCKET}/clip.mkv")


def test_s3_without_the_object_or_the_bucket(monkeypatch, endpoint):
    use_s3(monkeypatch, endpoint)

    assert "there is no such object" in error_of(f"s3://{BUCKET}/other.mkv")
    assert "there is no such object" in error_of("s3://other/clip.mkv")


@pytest.mark.parametrize("fault", ["denied", "broken", "missing", "whole", "cut"])
def test_a_message_has_no_secrets(fault, store):
    store.faults["clip.mkv"] = fault
    url = f"{store.url}/clips/clip.mkv?signature=secret".replace("http://", "http://user:word@")

    message = error_of(url)

    assert message.startswith(f"cannot read {store.url}/clips/clip.mkv: ")
    assert "secret" not in message
    assert "word" not in message


def test_what_is_wrong_with_a_video_is_no_fault_of_the_server(clips, store):
    whole = clips["index_first.mp4"].read_bytes()
    store.objects |= {"empty.mp4": b"", "text.mp4": b"no video\n" * 99, "cut.mp4": whole[:-5000]}

    for name, message in (
        ("empty.mp4", "is empty (0 bytes), expected a video; get the file again"),
        ("text.mp4", "it is text, expected a video file"),
        ("cut.mp4", "its last 5,000 bytes are missing"),
    ):
        assert message in error_of(f"{store.url}/clips/{name}")


def test_a_list_of_files_is_refused_and_none_of_them_is_opened(store):
    lists = {
        "list.mp4": f"ffconcat version 1.0\nfile '{store.url}/clips/clip.mkv'\n",
        "list.m3u8": f"#EXTM3U\n#EXTINF:4,\n{store.url}/clips/clip.ts\n#EXT-X-ENDLIST\n",
    }
    store.objects |= {name: text.encode() for name, text in lists.items()}

    for name in lists:
        assert "it is a list of files" in error_of(f"{store.url}/clips/{name}")

    assert {name for _, name, _ in store.requests} == lists.keys()


@pytest.mark.parametrize("key", ["a::b.mkv", "s3::x#1?.mkv", "caf\u00e9 1%20.mkv"])
def test_any_key_can_be_read(key, clips, endpoint, monkeypatch):
    use_s3(monkeypatch, endpoint)
    put_objects(endpoint, {quote(key): clips["clip.mkv"]})

    assert file_size(video_file(f"s3://{BUCKET}/{key}")) == clips["clip.mkv"].stat().st_size


def test_a_local_path_is_no_url(clips, tmp_path):
    path = tmp_path / "a b.mkv"
    path.write_bytes(clips["clip.mkv"].read_bytes())

    for name in (path, str(path), path.as_uri(), f"FILE://localhost{quote(str(path))}"):
        assert video_file(name) == path
    assert video_file(Path("s3://clips/a.mkv")) == Path("s3:/clips/a.mkv")
    assert video_file("c://clips") == Path("c://clips")
    with pytest.raises(VideoError, match="is on another host"):
        video_file("file://host/a.mkv")


@pytest.mark.parametrize("name", ["http://[x/a.mp4", "http://host:port/a.mp4", "http:///a.mp4"])
def test_a_damaged_url_is_an_error(name):
    assert error_of(name)


def test_an_unknown_scheme_is_an_error():
    assert error_of("s4://clips/a.mkv").startswith(
        "cannot read s4://clips/a.mkv: fsspec does not know s4://, expected a scheme such as s3://"
    )


@pytest.mark.parametrize(
    ("url", "missing", "remedy"),
    [
        ("s3://clips/a.mkv", "fsspec.registry", "pip install 'i3d-rgb-tf[remote]'"),
        ("s3://clips/a.mkv", "s3fs", "pip install 'i3d-rgb-tf[remote]'"),
        ("gs://clips/a.mkv", "gcsfs", "install gcsfs"),
        ("abfs://clips@account.dfs.core.windows.net/a.mkv", "adlfs", "adlfs"),
    ],
)
def test_a_missing_package_is_named(url, missing, remedy, monkeypatch):
    # What has been imported before is registered.
    monkeypatch.setattr(sys.modules["fsspec.registry"], "registry", {})
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(DependencyError) as caught:
        frames_of(url)

    assert str(caught.value).startswith(f"cannot read {url}: ")
    assert remedy in str(caught.value)


def test_a_remote_file_seeks_as_a_local_one(clips, store):
    video = video_file(f"{store.url}/clips/clip.mkv")
    with video.open() as there, clips["clip.mkv"].open("rb") as here:
        for offset, whence in ((-10, 2), (BLOCK_BYTES - 5, 0), (-3, 1), (10**9, 0), (0, 0)):
            assert there.seek(offset, whence) == here.seek(offset, whence)
            assert there.read(20) == here.read(20)
        with pytest.raises(OSError, match="Invalid argument"):
            there.seek(-1)


def test_a_program_ends_at_once_after_a_server_that_stalls(store):
    store.faults["clip.mkv"] = "silent"
    program = f"""
from i3d_rgb_tf.video import object_stores
from i3d_rgb_tf.video.decode import read_frames
from i3d_rgb_tf.video.files import video_file
for name in ("clip.ts", "clip.mkv"):
    try:
        print(len(list(read_frames(video_file(f"{store.url}/clips/{{name}}")))))
    except ValueError as error:
        print(error)
    # The first one also imports what is needed.
    object_stores._MOST_SECONDS = 0.5
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=20)

    message = "the server did not send what was asked for within 0.5 s; try again"
    assert done.stderr == b""
    assert done.stdout.decode().splitlines() == [
        "100",
        f"cannot read {store.url}/clips/clip.mkv: {message}",
    ]
