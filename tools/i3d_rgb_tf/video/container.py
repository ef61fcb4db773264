"""Open a video file, and nothing else that it names; choose its stream."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import IO, TYPE_CHECKING, Any

from i3d_rgb_tf.cores import num_usable_cores
from i3d_rgb_tf.errors import I3DError, VideoError, last_line
from i3d_rgb_tf.video.files import VideoFile, check_file
from i3d_rgb_tf.video.limits import MOST_ALLOCATED_BYTES, MOST_PIXELS, check_frame_size
from i3d_rgb_tf.video.remote import RemoteVideo
from i3d_rgb_tf.video.truncation import describe_truncation

if TYPE_CHECKING:
    from av import Packet, VideoCodecContext, VideoFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = [
    "FORMATS",
    "HEAD_BYTES",
    "check_size",
    "clock_may_jump",
    "demux",
    "describe_head",
    "limited_allocations",
    "open_video",
    "video_stream",
]

FORMATS = (
    *("3gp", "apng", "asf", "avi", "bink", "dhav", "dv", "flic", "flv", "gif", "gxf", "ifv", "ivf"),
    *("kux", "matroska", "mov", "mp4", "mpeg", "mpegts", "mpjpeg", "mxf", "nsv", "nut", "nuv"),
    *("ogg", "pva", "rm", "roq", "smk", "swf", "ty", "wtv", "yuv4mpegpipe"),
    # Streams without a container.
    *("av1", "avs2", "avs3", "cavsvideo", "dirac", "h261", "h263", "h264", "hevc", "m4v"),
    *("mjpeg", "mpegvideo", "obu", "vc1", "vvc"),
)
"""FFmpeg's names of the formats that may be opened.

None of them reads another file. FFmpeg decides by content: a list of files (ffconcat, HLS, DASH,
SDP) is one whatever its suffix is, and would be opened together with every file it names."""
_PROTOCOLS = "file"
"""FFmpeg's name of the only way to read: no network, and no file within a file."""

_NOT_VIDEOS = (
    (b"ffconcat", "a list of files"),
    (b"#EXTM3U", "a list of files"),
    (b"v=0", "a list of files"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"II*\0", "a picture"),
    (b"MM\0*", "a picture"),
)
"""How files begin that are not videos, although FFmpeg would open them."""
HEAD_BYTES = 1024
"""Bytes that are looked at to say what a file is that cannot be opened."""

_PIXELS_OF_ONE_THREAD = 640 * 480
"""Frames of up to this many pixels are decoded with one thread: more threads gain nothing."""
_PIXELS_OF_MANY_THREADS = 4096 * 2304
"""Larger frames are decoded with one thread too: each thread keeps frames in memory."""
_MOST_THREADS = 4

_FFMPEGS_OWN_LIMIT = 2**31 - 1
"""Bytes that FFmpeg allocates at most at once by default."""

_PYAV_WITH_LENIENT_TITLES = 19


@contextmanager
def open_video(path: VideoFile) -> Iterator[InputContainer]:
    """Open a video file, and turn every error of the body into a `VideoError`.

    Raises
    ------
    VideoError
        It is missing, is not a video, is damaged or truncated, or needs too much memory; or its
        server fails.
    DependencyError
        It is a URL, and the package for its scheme is missing.
    """
    check_file(path)
    with (
        _server_errors(path),
        _video_errors(path),
        _source(path) as source,
        _opened(source) as container,
    ):
        yield container


def _source(path: VideoFile) -> AbstractContextManager[str | IO[bytes]]:
    """Give what FFmpeg opens: a path, or a file object, so that it never sees a URL."""
    if isinstance(path, RemoteVideo):
        return path.open(ends_at_error=True)
    # The path is absolute because FFmpeg reads the text before a colon as a protocol.
    return nullcontext(str(path.absolute()))


@contextmanager
def _opened(source: str | IO[bytes]) -> Iterator[InputContainer]:
    import av
    from av.container.core import Flags

    options = {
        "format_whitelist": ",".join(FORMATS),
        "protocol_whitelist": _PROTOCOLS if isinstance(source, str) else "",
        # Decoders refuse a larger frame before they allocate it.
        "max_pixels": str(MOST_PIXELS),
    }
    # PyAV 19 and later accept titles that are not UTF-8.
    is_strict = int(av.__version__.split(".")[0]) < _PYAV_WITH_LENIENT_TITLES
    metadata_errors = "replace" if is_strict else "strict"
    with limited_allocations():
        container = av.open(source, "r", options=options, metadata_errors=metadata_errors)
    with container:
        # FFmpeg would invent timestamps where a file has none; with B-frames, wrong ones.
        container.flags &= ~Flags.gen_pts.value  # type: ignore[operator]
        yield container


@contextmanager
def _server_errors(path: VideoFile) -> Iterator[None]:
    """Raise what went wrong at the server of a video, whatever FFmpeg has made of it."""
    check = path.check if isinstance(path, RemoteVideo) else lambda: None
    try:
        yield
    except Exception:
        check()
        raise
    check()


@contextmanager
def _video_errors(path: VideoFile) -> Iterator[None]:
    try:
        yield
    except I3DError:
        raise
    except MemoryError as error:
        raise VideoError(
            f"{path} needs more memory than there is; free some memory, or encode the video again"
        ) from error
    except Exception as error:
        # Damaged files also make PyAV raise ValueError, AttributeError and others.
        raise VideoError(_reason(path, error)) from error


@contextmanager
def limited_allocations() -> Iterator[None]:
    """Let FFmpeg fail during the body where it would allocate too much at once.

    An MP4 of a few kilobytes can state that it has a billion frames, and FFmpeg makes a table of
    them when it opens the file. It has a limit for that, which PyAV does not reach; it holds for
    the whole process, so the body is short.
    """
    import av.container.core

    limit = None
    # On Windows, a library does not give the functions of those that it needs.
    with suppress(AttributeError, OSError):
        limit = ctypes.CDLL(av.container.core.__file__).av_max_alloc
        limit(ctypes.c_size_t(MOST_ALLOCATED_BYTES))
    try:
        yield
    finally:
        if limit is not None:
            limit(ctypes.c_size_t(_FFMPEGS_OWN_LIMIT))


def _reason(path: VideoFile, error: Exception) -> str:
    import av

    try:
        if truncated := describe_truncation(path):
            return truncated
        with path.open("rb") as file:
            what = describe_head(file.read(HEAD_BYTES))
    except OSError as gone:
        return f"cannot read {path}: {gone.strerror}; a video has to stay until it is read"
    # So FFmpeg refuses a format that is not allowed.
    if what is None and isinstance(error, av.ArgumentError):
        what = "it is of none of the formats that are read"
    what = what or getattr(error, "strerror", None) or last_line(error)
    return f"cannot read {path}: {what}, expected a video file; give another or convert it to MP4"


def describe_head(head: bytes) -> str | None:
    r"""Return what a file is that begins with `head`, if it is known not to be a video.

    >>> heads = b"ffconcat version 1.0", b"label,youtube_id", b"RIFF\0"
    >>> [describe_head(head) for head in heads]
    ['it is a list of files', 'it is text', None]
    """
    for start, kind in _NOT_VIDEOS:
        if head.startswith(start):
            return f"it is {kind}"
    if b"<MPD" in head:
        return "it is a list of files"
    # The end of the head may divide a character.
    text = head.decode("utf-8", "ignore")
    is_text = len(text.encode()) > len(head) - 4 and "".join(text.split()).isprintable()
    return "it is text" if is_text else None


def video_stream(container: InputContainer, name: str | VideoFile) -> VideoStream:
    """Return the stream to decode: one that is marked as the default, then that of most pixels.

    Raises
    ------
    VideoError
        There is none, none can be decoded, or its frames are too large.
    """
    from av.stream import Disposition

    # FFmpeg has no decoder for a stream without a context.
    known = [stream for stream in container.streams.video if stream.codec_context is not None]
    videos = [stream for stream in known if not stream.disposition & Disposition.attached_pic]
    if not videos:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "none"
        why = " that is a cover picture only" if known else " that FFmpeg cannot decode"
        raise VideoError(
            f"{name} has no video stream (its streams: {kinds}"
            f"{why if container.streams.video else ''}); give a video file"
        )
    stream = max(
        videos,
        key=lambda each: (bool(each.disposition & Disposition.default), each.width * each.height),
    )
    _check_and_set_up(stream, name=str(name))
    return stream


def demux(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[Packet[Any]]:
    """Yield the packets of a stream, and an empty one after the last, for the frames that wait."""
    # In the end, PyAV also looks for streams that have appeared since it opened the container.
    with suppress(IndexError):
        yield from container.demux(stream)


def _check_and_set_up(stream: VideoStream, *, name: str) -> None:
    context = stream.codec_context
    check_size(stream, context, name=name)
    many = _PIXELS_OF_ONE_THREAD < stream.width * stream.height <= _PIXELS_OF_MANY_THREADS
    if many:
        stream.thread_type = "AUTO"
    context.thread_count = min(_MOST_THREADS, num_usable_cores()) if many else 1
    context.options = {"max_pixels": str(MOST_PIXELS)}


def check_size(picture: VideoStream | VideoFrame, context: VideoCodecContext, *, name: str) -> None:
    """Raise a `VideoError` if what a stream states, or a frame, needs too much memory."""
    pixels = picture.format
    check_frame_size(
        picture.width,
        picture.height,
        pixels.padded_bits_per_pixel if pixels else 0,
        intra_only=context.codec.intra_only,
        name=name,
    )


def clock_may_jump(container: InputContainer) -> bool:
    """Return whether the format is one for broadcasts, where clocks jump and packets get lost."""
    from av.format import Flags

    return bool(container.format.flags & Flags.ts_discont.value)  # type: ignore[operator]
