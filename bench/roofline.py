"""How near to the limits of this machine are the costliest layers, direct and rewritten?

    taskset -c 0,1 python bench/roofline.py -d TREE [--rounds 9]

The limits are measured: a large matrix product in OpenVINO, and a copy of more than any cache
holds, by all cores. Times of layers are OpenVINO's profile of the FP32 IR in f32, the network as a
whole, so that each layer meets the maps and caches that it meets in use. A layer is a convolution
with its bias and ReLU; rewritten, it is all that takes their place. The layers and the limits take
turns; the lowest time of each counts.

Bytes are those of a machine that keeps nothing in a cache: what a layer reads, what it writes, its
weights, and, rewritten, the maps between its transforms and products, which are written and read.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from limits import Copy, Matmul
from machine import load_line, machine_line, wait_for_idle_cores

from i3d_rgb_tf.architecture import CHECKPOINT_SCOPE, convolutions
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.layouts import change_layout
from i3d_rgb_tf.ir.winograd.layers import LAYERS, Layer
from i3d_rgb_tf.ir.winograd.rewrite import rewrite
from i3d_rgb_tf.reference import waves_clip
from i3d_rgb_tf.spec import load_spec

_NUM_MIXED = 3
"""Convolutions of the Mixed blocks in the table."""
_ALWAYS = ("Conv3d_1a_7x7", "Conv3d_2c_3x3")
_SEPARATOR = ":"
"""In names of nodes of the rewritten network: the node of the network, then their own."""
_BYTES = 4
"""Of a float32."""
_PROPERTIES = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-d", "--directory", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(machine_line())
    path = load_spec().ir_path(options.directory, "FP32")
    forms = {"direct": _Form(path, _plain), "rewritten": _Form(path, _rewritten)}
    matmul, copy = Matmul(), Copy()
    for _ in range(options.rounds):
        for each in (*forms.values(), matmul, copy):
            wait_for_idle_cores()
            each.run()
    print(f"{options.rounds} rounds, {load_line()} at the end")
    print(f"limits: {matmul.rate:.0f} GFLOP/s, {copy.rate:.1f} GB/s read and written")
    for name, form in forms.items():
        layers = sum(min(work.seconds) for work in form.layers.values())
        print(
            f"{name}: all nodes {1000 * min(form.totals):.0f} ms, convolutions with their biases, "
            f"ReLUs and transforms {1000 * layers:.0f} ms"
        )
    _print_table(forms, matmul.rate, copy.rate)


@dataclass
class _Work:
    """What a layer has to do."""

    gigaflops: float = 0.0
    """Multiplications of its convolutions, each with an addition, so two operations."""
    gigabytes: float = 0.0
    """What is read and written."""
    seconds: list[float] = field(default_factory=list)
    """Of each round."""
    share_of_others: list[float] = field(default_factory=list)
    """How much of them is not in the convolutions themselves: transforms and copies."""


class _Form:
    """The network in one form, compiled and profiled."""

    def __init__(self, path: Path, make: Callable[[Any], Any]) -> None:
        import openvino

        network = read_ir(path)
        change_layout(network, "NDHWC")
        self._scopes = _scopes(network)
        model = make(network)
        self.layers = _count_work(network, model, self._scopes)
        self.totals: list[float] = []
        properties = {**_PROPERTIES, "PERF_COUNT": True}
        compiled = openvino.Core().compile_model(model, "CPU", properties)
        self._request = compiled.create_infer_request()
        self._clip = waves_clip().astype(np.float32)[np.newaxis]
        # The profile has the names of a compiled model, which lists what it fused.
        self._origins = {
            node.friendly_name: node.get_rt_info()["originalLayersNames"].astype(str).split(",")
            for node in compiled.get_runtime_model().get_ops()
        }
        self._request.infer({0: self._clip}, share_inputs=True)

    def run(self) -> None:
        """Infer a clip, and add up the time of each layer."""
        self._request.infer({0: self._clip}, share_inputs=True)
        spent: Counter[str] = Counter()
        others: Counter[str] = Counter()
        total = 0.0
        for node in self._request.get_profiling_info():
            seconds = node.real_time.total_seconds()
            total += seconds
            # Nodes that were fused into others are in the profile too, without time.
            origins = self._origins.get(node.node_name, [node.node_name])
            found = [_scope(name, self._scopes) for name in origins]
            known = [scope for scope in found if scope]
            for scope in known:
                spent[scope] += seconds / len(known)
                if node.node_type != "Convolution":
                    others[scope] += seconds / len(known)
        for scope, work in self.layers.items():
            work.seconds.append(spent[scope])
            work.share_of_others.append(others[scope] / spent[scope])
        self.totals.append(total)


def _plain(network: Any) -> Any:
    return network.clone()


def _rewritten(network: Any) -> Any:
    before = dict(LAYERS)
    LAYERS.update({kind: _named(layer) for kind, layer in before.items()})
    try:
        return rewrite(network)
    finally:
        LAYERS.update(before)


def _named(layer: Layer) -> Layer:
    """Return a layer of the rewrite that names its nodes after the node which it replaces."""

    def apply(graph: Any, node: Any, sources: Sequence[Any]) -> Any:
        frames = layer(graph, node, sources)
        read = [batch.maps for each in sources if each for batch in each.batches]
        done = {maps.get_node().get_name() for maps in read}
        waiting = [batch.maps.get_node() for batch in frames.batches] if frames else []
        while waiting:
            made = waiting.pop()
            if made.get_name() not in done:
                done.add(made.get_name())
                made.friendly_name = f"{node.friendly_name}{_SEPARATOR}{made.get_name()}"
                waiting += [value.get_node() for value in made.input_values()]
        return frames

    return apply


def _scopes(network: Any) -> dict[str, str]:
    """Return the scope of each convolution, by its name and those of its bias and ReLU."""
    scopes = {}
    layers = zip(_convolutions(network), convolutions(), strict=True)
    for node, (scope, conv, channels) in layers:
        kernel = (conv.out_channels, channels, *conv.kernel)
        if tuple(node.input_value(1).get_shape()) != kernel:
            raise ValueError(f"{node.friendly_name} is not {scope}, expected weights of {kernel}")
        each = node
        while each.get_type_name() in {"Convolution", "Add", "Relu"}:
            scopes[each.friendly_name] = scope.removeprefix(f"{CHECKPOINT_SCOPE}/")
            each = min(each.output(0).get_target_inputs(), key=_reader).get_node()
    return scopes


def _reader(reader: Any) -> str:
    return str(reader.get_node().get_name())


def _scope(name: str, scopes: Mapping[str, str]) -> str | None:
    """Return the scope of a node of the network, or of one that `_named` has named after it."""
    return scopes.get(name.split(_SEPARATOR, maxsplit=1)[0])


def _count_work(network: Any, model: Any, scopes: Mapping[str, str]) -> dict[str, _Work]:
    layers: dict[str, _Work] = {}
    for node in _convolutions(network):
        # What it reads and writes, in either form.
        num_values = prod(node.input_value(0).get_shape()) + prod(node.output(0).get_shape())
        layers[scopes[node.friendly_name]] = _Work(gigabytes=num_values * _BYTES / 1e9)
    products: dict[str, list[Any]] = {}
    for node in _convolutions(model):
        scope = _scope(node.friendly_name, scopes)
        if scope is None:
            raise ValueError(f"{node.friendly_name} belongs to no convolution of the network")
        products.setdefault(scope, []).append(node)
    for scope, nodes in products.items():
        for node in nodes:
            source, kernel = (value.get_shape() for value in node.input_values())
            output = node.output(0).get_shape()
            num_values = prod(kernel)
            if len(nodes) > 1:
                # Maps between transforms and products are written once and read once.
                num_values += 2 * (prod(source) + prod(output))
            layers[scope].gigabytes += num_values * _BYTES / 1e9
            layers[scope].gigaflops += 2 * _count_products(node) / 1e9
    return layers


def _count_products(convolution: Any) -> int:
    """Return the multiplications of a convolution, without those by zeros of the padding."""
    source, kernel = (value.get_shape() for value in convolution.input_values())
    output = convolution.output(0).get_shape()
    attributes = convolution.get_attributes()
    pairs = [
        sum(
            0 <= stride * place - before + tap < size
            for place in range(count)
            for tap in range(taps)
        )
        for size, count, taps, stride, before in zip(
            source[2:],
            output[2:],
            kernel[2:],
            attributes["strides"],
            attributes["pads_begin"],
            strict=True,
        )
    ]
    return output[0] * output[1] * kernel[1] * prod(pairs)


def _convolutions(model: Any) -> list[Any]:
    return [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]


def _print_table(forms: Mapping[str, _Form], gigaflops: float, gigabytes: float) -> None:
    direct = forms["direct"].layers
    mixed = [scope for scope in direct if "/" in scope and scope not in _ALWAYS]
    mixed.sort(key=lambda scope: min(direct[scope].seconds), reverse=True)
    print("| layer | form | GFLOP | GB | ms | transforms | of matmul limit | of memory limit |")
    print("|---|---|---|---|---|---|---|---|")
    for scope in (*_ALWAYS, *mixed[:_NUM_MIXED]):
        for name, form in forms.items():
            work = form.layers[scope]
            seconds = min(work.seconds)
            print(
                f"| {scope} | {name} | {work.gigaflops:.1f} | {work.gigabytes:.2f} "
                f"| {1000 * seconds:.0f} | {min(work.share_of_others):.0%} "
                f"| {work.gigaflops / seconds / gigaflops:.0%} "
                f"| {work.gigabytes / seconds / gigabytes:.0%} |"
            )


if __name__ == "__main__":
    main()
