"""The named choices of the library and the command line, each in one place.

Only the standard library is imported here, so that ``i3d-rgb-tf --help`` stays instant.
"""

from __future__ import annotations

from typing import Literal, get_args

__all__ = [
    "BATCH_ENGINES",
    "BATCH_TASKS",
    "CROP_COUNTS",
    "FLOAT_PRECISIONS",
    "INFERENCE_PRECISIONS",
    "LAST_WINDOWS",
    "LAYOUTS",
    "PERFORMANCE_HINTS",
    "POOLINGS",
    "PRECISIONS",
    "PRESET_NAMES",
    "PROTOCOL_NAMES",
    "SOURCES",
    "TIMELINE_FORMATS",
    "UNKNOWN_WEIGHTS",
    "USABLE_STATUSES",
    "VIDEO_STATUSES",
    "WEIGHT_SETS",
    "ZOO_TOOLS",
    "BatchEngine",
    "BatchTask",
    "Convolution",
    "CropCount",
    "FloatPrecision",
    "InferencePrecision",
    "LastWindow",
    "Layout",
    "PerformanceHint",
    "Pooling",
    "Precision",
    "PresetName",
    "ProtocolName",
    "Source",
    "TimelineFormat",
    "VideoStatus",
    "WeightSet",
    "ZooTool",
]

WeightSet = Literal["rgb_imagenet", "rgb_scratch"]
"""The published weights: ImageNet then Kinetics-400, or Kinetics-400 only."""
WEIGHT_SETS: tuple[WeightSet, ...] = get_args(WeightSet)
UNKNOWN_WEIGHTS = "unknown"
"""How weights are named that are neither of them."""

Source = Literal["zoo", "checkpoint", "package"]
"""Where weights are downloaded from."""
SOURCES: tuple[Source, ...] = get_args(Source)
"""In the order they are tried: what needs no TensorFlow first."""

FloatPrecision = Literal["FP16", "FP32"]
"""What `convert` stores the weights as."""
FLOAT_PRECISIONS: tuple[FloatPrecision, ...] = get_args(FloatPrecision)

Precision = Literal["FP16", "FP32", "FP16-INT8"]
"""The folders of a model tree, as the zoo names them."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""The preferred one first: FP16 weights give the predictions of FP32 from half the disk space."""

Layout = Literal["NDCHW", "NDHWC", "NSTHWC"]
"""The axes of a converted model's input, in the letters of the tools that want it."""
LAYOUTS: dict[Layout, str] = {
    "NDCHW": "Open Model Zoo's tools and accuracy_check",
    "NDHWC": "the zoo's action_recognition_demo and model servers",
    "NSTHWC": "OpenVINO Model API",
}
"""Each with who wants it. The zoo's, which is the default, comes first."""

InferencePrecision = Literal["f32", "bf16", "f16"]
"""The arithmetic of a device, as OpenVINO names it."""
INFERENCE_PRECISIONS: tuple[InferencePrecision, ...] = get_args(InferencePrecision)

Convolution = Literal["direct", "winograd"]
"""How convolutions are computed: as they are, or with fewer multiplications."""

PerformanceHint = Literal["LATENCY", "THROUGHPUT"]
"""One clip at a time on all cores, or several at once."""
PERFORMANCE_HINTS: tuple[PerformanceHint, ...] = get_args(PerformanceHint)

ProtocolName = Literal["zoo", "zoo-400", "clip", "paper"]
"""The evaluation protocols; `i3d_rgb_tf.evaluation.protocols` says what each one is."""
PROTOCOL_NAMES: tuple[ProtocolName, ...] = get_args(ProtocolName)

ZooTool = Literal["downloader", "converter", "info_dumper", "quantizer"]
"""The tools of the zoo, without their ``omz_``."""
ZOO_TOOLS: tuple[ZooTool, ...] = get_args(ZooTool)

LastWindow = Literal["drop", "pad", "repeat"]
"""What becomes of the frames at the end of a video that do not fill a window."""
LAST_WINDOWS: tuple[LastWindow, ...] = get_args(LastWindow)

CropCount = Literal[1, 3, 5, 10]
"""Squares that are cut from each frame; `i3d_rgb_tf.video.crops` says which."""
CROP_COUNTS: tuple[CropCount, ...] = get_args(CropCount)

Pooling = Literal["none", "mean"]
"""A feature for each place in time, or their mean."""
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)

PresetName = Literal["thumos14", "activitynet", "charades", "captioning", "video_features"]
"""Published features; `i3d_rgb_tf.features.presets` has their settings."""
PRESET_NAMES: tuple[PresetName, ...] = get_args(PresetName)

TimelineFormat = Literal[
    "text",
    "json",
    "jsonl",
    "csv",
    "tsv",
    "vtt",
    "srt",
    "activitynet",
    "label-studio",
    "html",
    "png",
    "mp4",
]
"""What ``timeline --output-format`` writes."""
TIMELINE_FORMATS: tuple[TimelineFormat, ...] = get_args(TimelineFormat)

BatchTask = Literal["classify", "features", "timeline"]
"""What ``batch`` makes of each video of a list."""
BATCH_TASKS: tuple[BatchTask, ...] = get_args(BatchTask)

BatchEngine = Literal["local", "ray"]
"""Where ``batch`` infers: in this process, or on the machines of a Ray cluster."""
BATCH_ENGINES: tuple[BatchEngine, ...] = get_args(BatchEngine)

VideoStatus = Literal["ok", "short", "missing", "empty", "unreadable", "cut", "no video", "damaged"]
"""What ``batch check`` says of a video; `i3d_rgb_tf.batch.check` says what each means."""
VIDEO_STATUSES: tuple[VideoStatus, ...] = get_args(VideoStatus)
USABLE_STATUSES: tuple[VideoStatus, ...] = ("ok", "short")
"""Those of videos that give a result."""
