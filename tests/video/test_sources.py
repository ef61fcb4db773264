"""A live source is opened by its own protocol, and opens nothing else."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from itertools import takewhile

import pytest
import trustme

from i3d_rgb_tf.errors import VideoError
from i3d_rgb_tf.video import sources
from i3d_rgb_tf.video.sections import read_sections
from i3d_rgb_tf.video.sources import parse_source
from media import ffmpeg
from servers import content, in_chunks, redirect, status
from videos import gray, write_video

NAMES = [
    ("-", "standard input"),
    ("/dev/video0", "/dev/video0"),
    ("udp://@239.0.0.1:1234?localaddr=10.0.0.1", "udp://239.0.0.1:1234"),
    ("rtsp://user:pass@word@camera:554/front", "rtsp://camera:554/front"),
    ("HTTP://[::1]:80/live.ts?token=secret#key", "http://[::1]:80/live.ts"),
]


@pytest.mark.parametrize(("text", "name"), NAMES)
def test_a_name_has_no_passwords(text, name):
    source = parse_source(text)

    assert source.name == name
    assert "secret" not in repr(source)
    assert "word" not in repr(source)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a.mp4", "/dev/null", "/dev/video", "/dev/video0/../sda", "file:///etc/passwd"),
        *("concat:a.ts|b.ts", "udp:", "udp://", "http:///a", "tcp://a:1", "rtmp://a/b", "pipe:0"),
        *("http:file.mp4", "http://[::1", "crypto+http://a/b", "async:http://a/b"),
    ],
)
def test_other_sources_are_refused(text):
    with pytest.raises(VideoError, match="expected udp://HOST, http://HOST|is not a URL"):
        parse_source(text)


def frames_of(url):
    return [
        frame.copy() for each in read_sections(parse_source(url), size=224) for frame in each.frames
    ]


def error_of(url):
    with pytest.raises(VideoError) as caught:
        frames_of(url)
    return str(caught.value)


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "gray.ts", [gray(100)] * 30)


def test_a_video_of_a_server_is_read(server, video):
    server.responses["/live.ts"] = [in_chunks(video.read_bytes(), 1000)]

    assert len(frames_of(f"{server.url}/live.ts")) == 30


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_is_not_used(server, video, monkeypatch, name):
    server.responses["/live.ts"] = [content(video.read_bytes())]
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")

        assert len(frames_of(f"{server.url}/live.ts")) == 30
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_an_error_of_a_server_is_one_line_without_the_secret(server):
    server.responses["/live.ts?token=secret"] = [status(403)]
    url = f"{server.url}/live.ts?token=secret".replace("http://", "http://user:word@")

    error = error_of(url)

    assert error.startswith(f"cannot read {server.url}/live.ts: ")
    assert "403" in error
    assert "secret" not in error
    assert "word" not in error


@pytest.fixture
def give(tmp_path):
    """Give what makes data standard input."""
    before = os.dup(0)

    def give(data):
        path = tmp_path / "input"
        path.write_bytes(data)
        with path.open("rb") as file:
            os.dup2(file.fileno(), 0)

    yield give
    os.dup2(before, 0)
    os.close(before)


@pytest.mark.parametrize(
    "options", ["-f mpegts", "-f matroska", "-f mp4 -movflags +frag_keyframe+empty_moov"]
)
def test_standard_input_is_read_as_it_comes(give, video, options):
    give(ffmpeg("-i", video, "-c", "copy", *options.split(), "-"))

    assert len(frames_of("-")) == 30


def test_an_mp4_comes_from_standard_input_if_its_index_comes_first(give, video, tmp_path):
    first, last = tmp_path / "first.mp4", tmp_path / "last.mp4"
    ffmpeg("-i", video, "-c", "copy", "-movflags", "+faststart", first)
    ffmpeg("-i", video, "-c", "copy", last)

    give(first.read_bytes())
    assert len(frames_of("-")) == 30
    give(last.read_bytes())
    error = error_of("-")
    assert error.startswith(
        "cannot read standard input: it is an MP4 whose index comes after the frames, expected"
    )
    assert "; give the file without --live, or " in error


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "it is empty"),
        (b"path,label\nv1.mp4,yoga\n", "it is text"),
        (b"#EXTM3U\n#EXTINF:2,\nv1.ts\n", "it is a list of files"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it is a picture"),
    ],
)
def test_standard_input_without_a_video_says_what_it_is(give, data, what):
    give(data)

    assert error_of("-") == (
        f"cannot read standard input: {what}, expected a video, such as MPEG-TS or Matroska; "
        "check the program that sends it"
    )


@pytest.mark.parametrize(("rate", "num_frames"), [("1:2", 50), ("1:50", 50 * 25), ("1:3600", 1500)])
def test_a_frame_is_shown_for_as_long_as_it_states_but_not_for_an_hour(give, rate, num_frames):
    give(f"YUV4MPEG2 W16 H16 F{rate} C420\nFRAME\n".encode() + bytes(16 * 16 * 3 // 2))

    assert len(frames_of("-")) == num_frames


LISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "dash": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        '<Period><AdaptationSet mimeType="video/mp2t"><Representation id="1" bandwidth="1">'
        "<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>\n"
    ),
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("scheme", ["file", "http"])
@pytest.mark.parametrize("path", ["/live", "/live.m3u8"])
def test_a_list_of_a_server_opens_nothing(server, video, kind, scheme, path):
    server.responses["/other.ts"] = [content(video.read_bytes())]
    target = f"file://{video}" if scheme == "file" else f"{server.url}/other.ts"
    server.responses[path] = [content(LISTS[kind].format(target=target).encode())]

    error = error_of(f"{server.url}{path}")

    # It says of HLS without the usual name, and of SDP, that they are no data.
    assert "it is of none of the formats" in error or "Invalid data" in error
    assert set(server.requests) == {path}


@pytest.mark.parametrize(
    "location",
    ["file://{video}", "{video}", "pipe:0", "concat:{video}", "{url}/other.ts", "/other.ts"],
)
def test_a_redirection_is_not_followed(server, video, location):
    server.responses["/live"] = [redirect(location.format(video=video, url=server.url))]
    server.responses["/other.ts"] = [content(video.read_bytes())]

    error = error_of(f"{server.url}/live")

    assert error.startswith(f"cannot read {server.url}/live: ")
    assert error.count("a redirection, which is not followed; check") == 1
    assert server.requests == ["/live"]


def redirect_a_player(listener, location):
    """Respond to one client as a camera that has moved."""
    with listener.accept()[0] as client, client.makefile("r", newline="\r\n") as lines:
        while request := list(takewhile(str.strip, lines)):
            status, header = "200 OK", "Public: DESCRIBE"
            if request[0].startswith("DESCRIBE"):
                status, header = "302 Found", f"Location: {location}"
            number = next(line for line in request if line.startswith("CSeq"))
            client.sendall(f"RTSP/1.0 {status}\r\n{number}{header}\r\n\r\n".encode())


def test_a_redirection_of_a_camera_is_not_followed():
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    camera, other = listeners
    here, there = (f"rtsp://127.0.0.1:{each.getsockname()[1]}/live" for each in listeners)
    other.setblocking(False)
    with camera, other:
        thread = threading.Thread(target=redirect_a_player, args=(camera, there), daemon=True)
        thread.start()

        assert error_of(here).startswith(f"cannot read {here}: ")
        with pytest.raises(BlockingIOError):
            other.accept()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@contextmanager
def encrypted_server(certificate, response=b""):
    """Yield the port of a server for one client, and a list for the request that comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    received = []

    def run():
        try:
            with context.wrap_socket(listener.accept()[0], server_side=True) as client:
                received.append(client.recv(1000))
                client.sendall(response)
        except OSError:
            # The client does not trust it.
            return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1], received
        thread.join(10)


def test_a_video_comes_from_a_server_with_a_valid_certificate(
    authority, video, tmp_path, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "trusted.pem"))
    authority.cert_pem.write_to_path(tmp_path / "trusted.pem")
    body = video.read_bytes()
    response = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    with encrypted_server(authority.issue_cert("localhost"), response) as (port, _):
        assert len(frames_of(f"https://localhost:{port}/live")) == 30


@pytest.mark.parametrize("scheme", ["https", "rtsps"])
@pytest.mark.parametrize(
    ("trusted", "host", "is_asked"),
    [(True, "localhost", True), (True, "camera.example", False), (False, "localhost", False)],
)
def test_a_request_is_sent_only_to_a_host_with_a_valid_certificate(
    authority, scheme, trusted, host, is_asked, tmp_path, monkeypatch
):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "trusted.pem"))
    authority.cert_pem.write_to_path(tmp_path / "trusted.pem")

    with encrypted_server(authority.issue_cert(host)) as (port, received):
        error = error_of(f"{scheme}://user:word@localhost:{port}/live")

    assert any(received) == is_asked
    assert ("perhaps a certificate that is not valid for this host" in error) != is_asked
    assert "word" not in error


def test_sound_alone_is_refused(server, tmp_path):
    path = tmp_path / "sound.ts"
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-c:a", "mp2", path)
    server.responses["/live"] = [content(path.read_bytes())]

    assert "has no video stream" in error_of(f"{server.url}/live")


def test_a_source_that_sends_nothing_is_given_up(server, monkeypatch):
    monkeypatch.setattr(sources, "_OPEN_SECONDS", 0.3)
    server.responses["/live"] = [lambda _: time.sleep(2)]

    assert "nothing came for 0.3 s" in error_of(f"{server.url}/live")
