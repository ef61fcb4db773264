"""Videos of any length in chunks have the outputs of one pass, each as if it were alone.

The network is small, with the layers of the real one; `test_one_pass.py` has the real one.
"""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import openvino
import pytest

from i3d_rgb_tf.classify import classify_videos
from i3d_rgb_tf.errors import DeviceError, VideoError
from i3d_rgb_tf.features.extract import extract_features
from i3d_rgb_tf.inference.dense import MeanLogits, frame_blocks, infer_dense
from i3d_rgb_tf.inference.dense_pass import DensePass, End, Position
from i3d_rgb_tf.inference.networks import NetworkOptions, Networks
from i3d_rgb_tf.inference.pipeline import OutputList, VideoInput, read_videos
from i3d_rgb_tf.inference.receptive_field import count_logits, missing_before
from i3d_rgb_tf.ir.compile import compile_model
from i3d_rgb_tf.ir.forms import Form
from i3d_rgb_tf.ir.layouts import change_layout
from i3d_rgb_tf.ir.streaming import make_streaming
from i3d_rgb_tf.timeline.infer import infer_timelines
from i3d_rgb_tf.video import decode
from networks import save_small_i3d, small_positions
from videos import gray, write_video

TOLERANCE = 1e-5
"""Of the maximum of the outputs."""

HEIGHT, WIDTH = 8, 10
LENGTHS = [*range(9, 35), 63, 64, 65, 79, 80, 81, 159, 160, 161, 250, 383, 384, 385, 400, 1000]
"""All remainders by 8, and by 80, of which some are those of the shortest videos."""


def compile_chunks(num_frames=80, convolution="direct", height=HEIGHT, width=WIDTH):
    """Return the small network for chunks of a length."""
    model = small_positions(79, height=height, width=width)
    form = Form("chunks", lambda model: make_streaming(model, num_frames))
    return compile_model(model, "CPU", "f32", form=form, convolution=convolution, cache=False)


@pytest.fixture(scope="module")
def chunks():
    return compile_chunks()


@pytest.fixture(scope="module")
def one_pass():
    """Return a function that infers a video in one pass of plain OpenVINO: (positions, 12)."""

    def adapt(model):
        change_layout(model, "NDHWC")
        model.reshape([1, -1, HEIGHT, WIDTH, 3])
        return model

    model = small_positions(79, height=HEIGHT, width=WIDTH)
    form = Form("one pass", adapt)
    compiled = compile_model(model, "CPU", "f32", form=form, convolution="direct", cache=False)
    return lambda video: compiled(video[np.newaxis])[0][0].copy()


def noise(num_frames, seed=0, height=HEIGHT, width=WIDTH):
    """Return a video whose every frame differs from the others, (frames, 8, 10, 3) uint8."""
    shape = (num_frames, height, width, 3)
    return np.random.default_rng([seed, num_frames]).integers(0, 256, shape, np.uint8)


def infer(compiled, videos, num_crops=1):
    """Return the outputs for videos that follow each other, (positions, crops, channels) each."""
    inputs = read_videos(videos, lambda video: frame_blocks(video, len(video)))
    found = list(infer_dense(compiled, inputs, OutputList, num_crops=num_crops))
    assert [id(each.video) for each in found] == [id(video) for video in videos]
    assert [each.error for each in found] == [None] * len(videos)
    return [rows_of(each) for each in found]


def rows_of(found):
    """Return the outputs for a video; they are numbered from 0."""
    assert [position for position, _ in found.outputs] == list(range(len(found.outputs)))
    return np.stack([rows for _, rows in found.outputs])


def assert_same(found, expected):
    assert found.shape == (len(expected), 1, *expected.shape[1:])
    assert np.abs(found[:, 0] - expected).max() <= TOLERANCE * np.abs(expected).max()


# Equality.


def test_videos_after_each_other_have_the_outputs_of_one_pass_over_each(chunks, one_pass):
    videos = [noise(num_frames) for num_frames in LENGTHS]

    found = infer(chunks, videos)

    for video, rows in zip(videos, found, strict=True):
        assert len(rows) == count_logits(len(video))
        assert_same(rows, one_pass(video))


@pytest.mark.parametrize("num_frames", [9, 15, 79, 80, 250])
def test_a_single_video_has_the_outputs_of_one_pass(chunks, one_pass, num_frames):
    video = noise(num_frames)

    (found,) = infer(chunks, [video])

    assert_same(found, one_pass(video))


@pytest.mark.slow
@pytest.mark.parametrize("num_frames", [16, 24, 200])
def test_chunks_of_any_length_give_the_same(one_pass, num_frames):
    videos = [noise(length) for length in (9, 100, 402, 13)]

    found = infer(compile_chunks(num_frames), videos)

    for video, rows in zip(videos, found, strict=True):
        assert_same(rows, one_pass(video))


@pytest.mark.slow
def test_rewritten_convolutions_give_the_same(chunks):
    # The heights of the layers are those of the table of tilings.
    size = {"height": 224, "width": 6}
    videos = [noise(length, **size) for length in (11, 90, 9)]
    rewritten = compile_chunks(convolution="winograd", **size)

    found, expected = (infer(each, videos) for each in (rewritten, compile_chunks(**size)))

    for rows, others in zip(found, expected, strict=True):
        assert_same(rows, others[:, 0])
    # Tiles have other frames in another place; each video begins with a chunk.
    (alone,) = infer(rewritten, videos[1:2])
    assert np.array_equal(alone, found[1])


def test_black_frames_are_not_missing_frames(chunks, one_pass):
    video = np.concatenate([noise(5) * 0, noise(20), noise(9) * 0])

    (found,) = infer(chunks, [video])

    assert_same(found, one_pass(video))


def test_crops_are_videos_of_their_own(chunks):
    pairs = [(noise(length, 1), noise(length, 2)) for length in (250, 9, 14)]

    found = infer(chunks, [np.stack(pair, axis=1) for pair in pairs], num_crops=2)

    for pair, rows in zip(pairs, found, strict=True):
        for crop, expected in enumerate(infer(chunks, list(pair))):
            assert np.array_equal(rows[:, crop], expected[:, 0])


def test_streams_of_one_network_do_not_disturb_each_other(chunks):
    videos = [[noise(200, seed), noise(33, seed)] for seed in (1, 2)]
    expected = [infer(chunks, each) for each in videos]

    streams = [
        infer_dense(
            chunks, read_videos(each, lambda video: frame_blocks(video, len(video))), OutputList
        )
        for each in videos
    ]
    found = list(zip(*streams, strict=True))

    for number, results in enumerate(zip(*found, strict=True)):
        for result, rows in zip(results, expected[number], strict=True):
            assert np.array_equal(rows_of(result), rows)


# Videos that cannot be read, and other numbers of frames.


@pytest.mark.parametrize("num_frames", [0, 3, 8, 30, 250])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_video_that_breaks_off_does_not_change_its_neighbours(chunks, num_frames, workers):
    videos = {"first": noise(45), "broken": noise(num_frames), "last": noise(100)}
    expected = infer(chunks, [videos["first"], videos["last"]])

    def read(name):
        def frames():
            yield from videos[name]
            if name == "broken":
                raise VideoError("it was cut")

        return frame_blocks(frames(), 400 if name == "broken" else len(videos[name]))

    found = list(infer_dense(chunks, read_videos(videos, read, workers=workers), OutputList))

    assert [each.video for each in found] == list(videos)
    assert [str(each.error or "") for each in found] == ["", "it was cut", ""]
    for result, rows in zip(found[::2], expected, strict=True):
        assert np.array_equal(rows_of(result), rows)


def test_a_video_without_frames_has_no_outputs(chunks):
    found = list(infer_dense(chunks, [VideoInput("a"), VideoInput("b")], OutputList))

    assert [(each.video, each.outputs) for each in found] == [("a", []), ("b", [])]


def test_no_videos_have_no_outputs(chunks):
    assert list(infer_dense(chunks, [], OutputList)) == []


@pytest.mark.slow
@pytest.mark.parametrize("stated", [0, 1, 97, 98, 99, 100, 101, 102, 103, 104, 5000])
@pytest.mark.parametrize("num_frames", range(97, 105))
def test_a_wrong_number_of_frames_gives_the_positions_of_the_real_one(chunks, stated, num_frames):
    video, after = noise(num_frames), noise(20)
    inputs = read_videos(
        [(video, stated), (after, len(after))], lambda pair: frame_blocks(iter(pair[0]), pair[1])
    )

    found, following = (rows_of(each) for each in infer_dense(chunks, inputs, OutputList))

    assert len(found) == count_logits(num_frames)
    assert np.array_equal(following, infer(chunks, [after])[0])


@pytest.mark.parametrize(
    "shape",
    [(7, 10, 3), (8, 10, 4), (3, 8, 10), (10, 8, 3), (2, 8, 10, 3), (8, 10)],
    ids=str,
)
def test_frames_of_another_shape_are_refused(chunks, shape):
    video = np.zeros((20, *shape), np.uint8)

    with pytest.raises(ValueError, match="frame"):
        infer(chunks, [video])


# Blocks.


def blocks_of(frames, num_frames=None):
    """Return the numbers of frames that are stated, and the frames."""
    blocks = list(frame_blocks(frames, num_frames))
    assert all(len(block) == 8 for _, block in blocks[:-1])
    assert all(1 <= len(block) <= 8 for _, block in blocks)
    return {stated for stated, _ in blocks}, [int(value) for _, block in blocks for value in block]


def numbered(count):
    return (np.array(index, np.int32) for index in range(count))


@pytest.mark.parametrize("count", [9, 16, 17, 384])
def test_frames_of_unknown_number_are_counted(count):
    assert blocks_of(numbered(count)) == ({count}, list(range(count)))


@pytest.mark.parametrize("count", [385, 500])
def test_many_frames_of_unknown_number_are_taken_as_a_multiple_of_8(count):
    (stated,), frames = blocks_of(numbered(count))

    # As for any multiple of 8, as which the video is taken.
    assert stated == 0
    assert missing_before(stated) == missing_before(8 * count)
    assert frames == list(range(count))


@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize("stated", [None, 1, 8, 400])
def test_a_video_of_too_few_frames_is_repeated(count, stated):
    assert blocks_of(numbered(count), stated) == ({9}, [index % count for index in range(9)])


@pytest.mark.parametrize("stated", [None, 0, 100])
def test_no_frames_have_no_blocks(stated):
    assert list(frame_blocks([], stated)) == []


def test_frames_are_not_held_if_their_number_is_known():
    alive = []

    def frames():
        for _ in range(100):
            frame = np.zeros(4, np.uint8)
            alive.append(weakref.ref(frame))
            yield frame
            del frame

    blocks = frame_blocks(frames(), 100)
    next(blocks)

    assert len(alive) <= 17


def test_blocks_are_copies():
    """As a crop is a view of a decoded frame, and a decoder may use the memory again."""
    frame = np.zeros(4, np.uint8)

    def frames(count):
        for index in range(count):
            frame[:] = index
            yield frame

    for stated in (30, None):
        found = np.concatenate([block.copy() for _, block in frame_blocks(frames(30), stated)])
        assert found[:, 0].tolist() == list(range(30))


def test_a_long_video_of_unknown_number_has_the_padding_of_a_multiple_of_8(chunks, one_pass):
    video = noise(403)

    inputs = read_videos([video], lambda frames: frame_blocks(iter(frames)))
    (found,) = infer_dense(chunks, inputs, OutputList)

    rows = rows_of(found)[:, 0]
    assert len(rows) == count_logits(403)
    # Away from its end it is a video that goes on.
    whole = one_pass(np.concatenate([video, noise(45)]))[: len(rows)]
    differs = np.abs(rows - whole).max(axis=1) > TOLERANCE * np.abs(whole).max()
    assert np.flatnonzero(differs).tolist() == list(range(int(differs.argmax()), len(rows)))
    assert differs.argmax() >= len(rows) - 8


# The device.


class FakeRequest:
    """Gives each slot the number of its first frame, and carries over how many chunks it saw."""

    def __init__(self, compiled):
        self.compiled = compiled
        self.inputs = {}
        self.outputs = [
            openvino.Tensor(np.full(each.shape, 7, np.float32)) for each in compiled.outputs
        ]

    def get_output_tensor(self, index):
        return self.outputs[index]

    def set_input_tensor(self, index, tensor):
        self.inputs[index] = tensor

    def start_async(self, inputs, share_inputs):
        assert share_inputs
        compiled = self.compiled
        self.chunk, self.exists = inputs[0], inputs[1]
        self.number = self.inputs[2].data.item()
        self.outputs[1].data[:] = self.number + 1
        firsts = self.chunk[0, 6::8, 0, 0, 0]
        self.outputs[0].data[0] = firsts[:, None]
        compiled.events.append(f"start {self.number:.0f}")
        compiled.seen.append((weakref.ref(self.chunk), self.exists.copy()))

    def wait_for(self, milliseconds):
        assert milliseconds <= 200, "Ctrl-C would not be seen"
        if self.compiled.error and milliseconds:
            raise RuntimeError(self.compiled.error)
        if milliseconds:
            self.compiled.events.append(f"wait {self.number:.0f}")
        return bool(milliseconds) or self.compiled.is_done

    def cancel(self):
        self.compiled.events.append(f"cancel {self.number:.0f}")

    def wait(self):
        self.compiled.events.append(f"end {self.number:.0f}")
        raise RuntimeError("cancelled")


class FakeCompiled:
    """A network for chunks of 16 frames of 2x2 pixels that lags by 7 slots."""

    def __init__(self, size=2, error=""):
        shapes = [(1, 6 + 16, size, size, 3), (56 + 16,), (1,)]
        self.inputs = [SimpleNamespace(shape=shape) for shape in shapes]
        self.outputs = [SimpleNamespace(shape=shape) for shape in [(1, 2, 5), (1,)]]
        self.error = error
        self.is_done = False
        self.events = []
        self.seen = []
        self.requests = []

    def input(self, index):
        return self.inputs[index]

    def output(self, index):
        return self.outputs[index]

    def get_property(self, name):
        return {"EXECUTION_DEVICES": ["GPU.0"]}[name]

    def create_infer_request(self):
        self.requests.append(FakeRequest(self))
        return self.requests[-1]


def gray_frames(count, size=2):
    return (np.full((size, size, 3), index % 256, np.uint8) for index in range(count))


def stream(compiled, *counts, num_crops=1):
    """Return the generator of the outputs for videos of numbered frames."""
    size = compiled.input(0).shape[2]

    def read(count):
        frames = gray_frames(count, size)
        return frame_blocks((np.stack([frame] * num_crops) for frame in frames), count)

    inputs = read_videos(counts, read)
    return infer_dense(compiled, inputs, OutputList, num_crops=num_crops)


def test_what_is_carried_over_begins_with_zeros_and_goes_to_the_next_chunk():
    compiled = FakeCompiled()

    list(stream(compiled, 100))

    starts = [each for each in compiled.events if each.startswith("start")]
    assert starts == [f"start {number}" for number in range(len(starts))]
    assert len(starts) > 100 // 16
    assert len(compiled.requests) == 2


def test_the_device_infers_while_the_next_chunk_is_read():
    compiled = FakeCompiled()

    def frames():
        for index in range(100):
            compiled.events.append(f"read {index}")
            yield np.zeros((2, 2, 3), np.uint8)

    inputs = read_videos(["a"], lambda _: frame_blocks(frames(), 100))
    outputs = infer_dense(compiled, inputs, OutputList)
    list(outputs)

    places = [compiled.events.index(each) for each in ("start 0", "read 30", "wait 0", "start 1")]
    assert places == sorted(places)


def test_a_generator_that_is_closed_cancels_what_runs_and_waits_for_it():
    compiled = FakeCompiled()
    outputs = stream(compiled, 40, 400, num_crops=2)

    assert next(outputs).video == 40
    outputs.close()

    started = [each.split()[1] for each in compiled.events if each.startswith("start")]
    waited = [each.split()[1] for each in compiled.events if each.startswith("wait")]
    running = started[len(waited) :]
    assert len(running) == 2
    expected = [f"{event} {number}" for event in ("cancel", "end") for number in running]
    assert compiled.events[-4:] == expected


def test_closing_reads_no_more():
    read = []

    def frames():
        for index in range(10_000):
            read.append(index)
            yield np.zeros((2, 2, 3), np.uint8)

    inputs = read_videos(["a", "b"], lambda _: frame_blocks(frames(), 40))
    compiled = FakeCompiled()
    outputs = infer_dense(compiled, inputs, OutputList)

    assert iter(outputs) is outputs
    outputs.close()
    assert read == []


def test_a_device_that_fails_is_one_line_and_ends_the_requests():
    compiled = FakeCompiled(error="lost")

    with pytest.raises(DeviceError, match="^the device failed: lost; try -D CPU$"):
        list(stream(compiled, 100))

    assert [each.split()[0] for each in compiled.events[-2:]] == ["cancel", "end"]


def test_a_mistake_of_the_reader_is_raised_and_ends_the_requests():
    compiled = FakeCompiled()

    def frames():
        yield from gray_frames(30)
        raise ZeroDivisionError("a mistake in the program")

    inputs = read_videos(["a"], lambda _: frame_blocks(frames(), 100))
    with pytest.raises(ZeroDivisionError, match="a mistake in the program"):
        list(infer_dense(compiled, inputs, OutputList))

    assert [each.split()[0] for each in compiled.events[-2:]] == ["cancel", "end"]


def test_a_slot_without_frames_keeps_videos_apart():
    compiled = FakeCompiled()

    list(stream(compiled, 18, 11))

    # The frames of each chunk; before the first, the video has none.
    exist = np.concatenate([exists[56:] for _, exists in compiled.seen])
    frames = "".join("x" if each else "." for each in exist)
    assert frames.startswith("..xxxxxxxxxxxxxxxxxx.............xxxxxxxxxxx....")
    assert set(frames[48:]) <= {"."}
    # Each chunk also has what came before.
    for (_, before), (_, exists) in pairwise(compiled.seen):
        assert np.array_equal(exists[:56], before[16:])


def test_every_video_begins_with_a_chunk():
    compiled = FakeCompiled()

    list(stream(compiled, 9, 17, 9))

    # From the first frame of a video on, the number of which is 0.
    chunks = ["".join("x" if each else "." for each in exists[56:]) for _, exists in compiled.seen]
    empty = "." * 16
    first = ["...xxxxxxxxx....", empty]
    second = ["...xxxxxxxxxxxxx", "xxxx............"]
    assert chunks[:6] == [*first, *second, *first]


def test_the_outputs_of_a_video_are_given_before_the_next_is_read_to_its_end():
    read = []

    def frames():
        for index in range(1000):
            read.append(index)
            yield np.zeros((2, 2, 3), np.uint8)

    videos = {"short": lambda: gray_frames(9), "long": frames}
    counts = {"short": 9, "long": 1000}
    inputs = read_videos(videos, lambda name: frame_blocks(videos[name](), counts[name]))

    outputs = infer_dense(FakeCompiled(), inputs, OutputList)

    assert next(outputs).video == "short"
    # The lag of 7 slots, the chunk in which they end, and the one that is read meanwhile.
    assert len(read) <= 56 + 3 * 16
    outputs.close()


def test_memory_does_not_grow_with_the_video():
    frame_bytes = 64 * 64 * 3
    peaks = []
    for count in (300, 3000):
        compiled = FakeCompiled(size=64)
        gc.collect()
        tracemalloc.start()
        try:
            (found,) = stream(compiled, count)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(found.outputs) == count_logits(count)
        peaks.append(peak / frame_bytes)

    # Of 22 frames: the chunks of two requests and one that is made; and the slots that wait, what
    # is cut into the next, and a block with what it is made of.
    assert max(peaks) < 160
    # The outputs, and what the device has noted.
    assert peaks[1] < peaks[0] + 30


def test_at_most_three_chunks_are_alive():
    compiled = FakeCompiled()

    list(stream(compiled, 1000))

    gc.collect()
    assert len(compiled.seen) > 60
    # Two requests keep their last chunk.
    assert sum(chunk() is not None for chunk, _ in compiled.seen) <= 2


# Files.


@pytest.fixture(scope="module")
def small_networks(tmp_path_factory):
    path = save_small_i3d(tmp_path_factory.mktemp("small") / "small.xml")
    return Networks(path, NetworkOptions(inference_precision="f32", cache=False))


@pytest.fixture
def decoded(monkeypatch):
    """Return the files that are opened for their frames, and how many frames are decoded."""
    found = SimpleNamespace(opened=[], num_frames=0)
    open_video, decode_packet = decode.open_video, decode.decode_packet

    def note_opened(path):
        found.opened.append(path.name)
        return open_video(path)

    def note_decoded(packet, *, tolerant):
        frames = decode_packet(packet, tolerant=tolerant)
        found.num_frames += len(frames)
        return frames

    monkeypatch.setattr(decode, "open_video", note_opened)
    monkeypatch.setattr(decode, "decode_packet", note_decoded)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("infer_all", [classify_videos, extract_features, infer_timelines])
def test_every_video_is_decoded_once(small_networks, decoded, infer_all, tmp_path):
    lengths = {"a.mp4": 420, "b.mp4": 100}
    pictures = [gray(index % 256) for index in range(420)]
    paths = [write_video(tmp_path / name, pictures[:count]) for name, count in lengths.items()]

    results = list(infer_all(small_networks, paths))

    assert [each.num_frames for each in results] == [420, 100]
    assert decoded.opened == ["a.mp4", "b.mp4"]
    assert decoded.num_frames == 420 + 100


# The mean.


def test_the_mean_of_the_logits_gives_every_position_the_same_weight():
    mean = MeanLogits()
    for level in (1, 1, 4):
        row = np.zeros((1, 1424), np.float32)
        row[0, :1024] = 1000
        row[0, 1024] = level
        mean.add(0, row)

    powers = np.exp([2.0, *[0.0] * 399])
    assert mean.num_positions == 3
    assert mean.probabilities() == pytest.approx(powers / powers.sum())
    assert mean.probabilities().dtype == np.float32


def test_large_logits_have_probabilities():
    mean = MeanLogits()
    row = np.zeros((1, 1424), np.float32)
    row[0, -1] = 1e4
    mean.add(0, row)

    assert mean.probabilities()[-1] == 1


def test_the_mean_of_no_logits_is_even():
    assert MeanLogits().probabilities() == pytest.approx(np.full(400, 1 / 400))


# Frames as they come.


def test_outputs_are_there_before_the_next_frames():
    compiled = FakeCompiled()
    dense = DensePass(compiled)
    # A chunk ends with the eighth block, and position 0 depends on all of them.
    for _, block in frame_blocks(gray_frames(64), 64):
        assert list(dense.add(VideoInput("a", block, 0))) == []
    assert list(dense.ready()) == []

    compiled.is_done = True

    assert [use for use, _ in dense.ready()] == [Position("a", 0)]
    assert list(dense.ready()) == []
    dense.close()


def test_what_is_flushed_is_that_of_a_whole_video_and_does_not_change_the_next(chunks):
    videos = [noise(20), noise(250), noise(9)]
    expected = infer(chunks, videos)
    dense = DensePass(chunks)

    for video, rows in zip(videos, expected, strict=True):
        outputs = []
        for stated, block in frame_blocks(video, len(video)):
            outputs += dense.add(VideoInput("a", block, stated))
        outputs += dense.add(VideoInput("a"))
        outputs += dense.flush()

        *positions, (end, _) = outputs
        assert end == End("a")
        assert [use.number for use, _ in positions] == list(range(len(rows)))
        assert np.array_equal(np.stack([row for _, row in positions]), rows)
