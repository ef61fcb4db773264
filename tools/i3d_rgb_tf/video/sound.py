"""Bring the sound of a video into an MP4: as it is where MP4 can hold it, or encoded as AAC."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from i3d_rgb_tf.video.container import clock_may_jump, demux, open_video
from i3d_rgb_tf.video.timestamps import start_times

if TYPE_CHECKING:
    from av import AudioFrame, Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.filter import Graph

__all__ = ["SoundTrack", "open_sound"]

_COPIED = frozenset({"aac", "ac3", "alac", "dts", "eac3", "flac", "mp2", "mp3", "opus"})
"""FFmpeg's names of the codecs that are registered for MP4."""
_LAYOUTS = {1: "mono", 6: "5.1"}
"""How sound is encoded that has so many channels; with any other number, in stereo."""
_RATE = 48_000
"""Samples per second where AAC has not those of the source."""
_PACKET_SAMPLES = 1024
"""Of a packet that does not state its duration: as many as one of AAC has."""

_LOGGER = logging.getLogger(__name__)


def open_sound(path: Path, stack: ExitStack) -> list[tuple[InputContainer, AudioStream]]:
    """Return the streams of sound of a video.

    Parameters
    ----------
    path
        The video. It is opened once for each stream, so that it does not matter in which order it
        has pictures and sound.
    stack
        Closes it.

    Raises
    ------
    VideoError
        The video cannot be read.
    """
    container = stack.enter_context(open_video(path))
    opened: list[tuple[InputContainer, AudioStream]] = []
    for number, stream in enumerate(container.streams.audio):
        if stream.codec_context is None or not stream.sample_rate:
            _LOGGER.warning("%s: sound %d cannot be decoded; it is left out", path, number)
            continue
        own = stack.enter_context(open_video(path)) if opened else container
        opened.append((own, own.streams.audio[number]))
    return opened


class SoundTrack:
    """A stream of sound, on its way from a video into an MP4."""

    def __init__(
        self, container: InputContainer, stream: AudioStream, output: OutputContainer
    ) -> None:
        is_copied = stream.codec_context.codec.canonical_name in _COPIED
        self._sink: _Sink = _Copy(stream, output) if is_copied else _Encoder(stream, output)
        packets = _packets(container, stream)
        self._first = next(packets, None)
        usual = Fraction(_PACKET_SAMPLES, stream.sample_rate)
        every: Iterator[Any] = _all(self._first, packets)
        self._timed: Iterator[tuple[Packet[Any], Fraction]] = start_times(
            every, usual, clock_may_jump=clock_may_jump(container)
        )
        self._next = next(self._timed, None)
        self._origin = Fraction(0)
        self._stated_start = stream.start_time

    @property
    def first_clock_seconds(self) -> Fraction | None:
        """When it is first heard, by the clock of the file; None if it is empty."""
        if self._first is None:
            return None
        stamp = self._stated_start if self._stated_start is not None else _stamp(self._first)
        return stamp * self._first.time_base

    def set_zero(self, clock_seconds: Fraction) -> None:
        """Set which time by the clock of the file is the time 0 of the output."""
        if self._first is not None:
            self._origin = _stamp(self._first) * self._first.time_base - clock_seconds

    def packets_until(self, seconds: float) -> Iterator[Packet[Any]]:
        """Yield the packets of the output for sound that begins up to this time there."""
        while self._next is not None and self._next[1] + self._origin <= seconds:
            packet, start = self._next
            _move(packet, start + self._origin)
            yield from self._sink.take(packet)
            self._next = next(self._timed, None)

    def rest(self) -> Iterator[Packet[Any]]:
        """Yield all other packets."""
        yield from self.packets_until(float("inf"))
        yield from self._sink.finish()


class _Sink(Protocol):
    """Takes the packets of the source, with the times of the output."""

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]: ...

    def finish(self) -> Iterator[Packet[Any]]: ...


class _Copy:
    """Passes packets on."""

    def __init__(self, stream: AudioStream, output: OutputContainer) -> None:
        self._target = output.add_stream_from_template(stream)

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        packet.stream = self._target
        yield packet

    def finish(self) -> Iterator[Packet[Any]]:
        return iter(())


class _Encoder:
    """Decodes packets and encodes their sound as AAC; damaged ones become silence."""

    def __init__(self, stream: AudioStream, output: OutputContainer) -> None:
        from av import Codec

        self._source = stream.codec_context
        rates = Codec("aac", "w").audio_rates or []
        self._target = output.add_stream(
            "aac", rate=stream.sample_rate if stream.sample_rate in rates else _RATE
        )
        self._target.layout = _LAYOUTS.get(stream.channels, "stereo")
        self._graph: Graph | None = None
        self._kind: tuple[str, int, str] | None = None

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        import av

        try:
            frames = self._source.decode(packet)
        except av.InvalidDataError:
            return
        for frame in frames:
            yield from self._encode(frame)

    def finish(self) -> Iterator[Packet[Any]]:
        for frame in self._source.decode(None):
            yield from self._encode(frame)
        yield from self._flush()
        yield from self._target.encode(None)

    def _encode(self, frame: AudioFrame) -> Iterator[Packet[Any]]:
        kind = (frame.format.name, frame.sample_rate, frame.layout.name)
        if kind != self._kind:
            yield from self._flush()
            self._graph, self._kind = self._converter(frame), kind
        if self._graph:
            self._graph.push(frame)
            yield from self._pull(self._graph)

    def _flush(self) -> Iterator[Packet[Any]]:
        if self._graph:
            self._graph.push(None)
            yield from self._pull(self._graph)

    def _pull(self, graph: Graph) -> Iterator[Packet[Any]]:
        import av

        while True:
            try:
                frame: Any = graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            yield from self._target.encode(frame)

    def _converter(self, frame: AudioFrame) -> Graph:
        """Return filters that give what is encoded, with silence where the source has gaps."""
        from av.filter import Graph

        graph = Graph()
        source = graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format.name,
            layout=frame.layout.name,
            time_base=frame.time_base,
        )
        wanted = (
            f"sample_fmts={self._target.format.name}:sample_rates={self._target.sample_rate}:"
            f"channel_layouts={self._target.layout.name}"
        )
        filters = [graph.add("aresample", "async=1"), graph.add("aformat", wanted)]
        graph.link_nodes(source, *filters, graph.add("abuffersink")).configure()
        return graph


def _packets(container: InputContainer, stream: AudioStream) -> Iterator[Packet[Any]]:
    import av

    try:
        for packet in demux(container, stream):
            if packet.size:
                yield packet
    except av.FFmpegError:
        # Where the pictures end too, decoding them reports it.
        return


def _all(first: Packet[Any] | None, others: Iterator[Packet[Any]]) -> Iterator[Packet[Any]]:
    if first is not None:
        yield first
        yield from others


def _stamp(packet: Packet[Any]) -> int:
    stamps = (packet.pts, packet.dts)
    return next((stamp for stamp in stamps if stamp is not None), 0)


def _move(packet: Packet[Any], seconds: Fraction) -> None:
    packet.pts = packet.dts = round(seconds / packet.time_base)
