"""OpenVINO IRs: the .xml and the .bin, of a small network with the inputs of the real one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from random import Random

from hostile.cases import Case, Kind, Setting
from hostile.mutations import damage_bytes, damage_text, hostile_text

__all__ = ["KINDS"]

_SHARE_COMPILED = 0.25
"""Of the cases that can be read; compiling and one inference take longer than reading."""


def _make_templates(folder: Path) -> None:
    import numpy as np
    import openvino
    import openvino.opset13 as operations

    from i3d_rgb_tf.ir.metadata import Provenance, write_model_api_section, write_provenance
    from networks import save_small_network

    save_small_network(folder / "small.xml")
    # One more with the operations that the real one has.
    pixels = operations.parameter([1, 79, 3, 224, 224], np.float32, name="Placeholder")
    frames = operations.strided_slice(
        pixels,
        np.array([0, 0, 0, 0, 0]),
        np.array([1, 8, 3, 224, 224]),
        np.array([1, 1, 1, 28, 28]),
        [0] * 5,
        [0] * 5,
    )
    channels = operations.transpose(frames, np.array([0, 2, 1, 3, 4]))
    ones, zeros = [1, 1, 1], [0, 0, 0]
    kernel = operations.convert(operations.constant(np.ones((4, 3, 3, 3, 3), np.float16)), "f32")
    net = operations.convolution(channels, kernel, ones, ones, ones, ones)
    net = operations.relu(
        operations.add(net, operations.constant(np.ones((1, 4, 1, 1, 1), np.float32)))
    )
    net = operations.fake_quantize(
        net, np.float32(0), np.float32(9), np.float32(0), np.float32(9), 256
    )
    net = operations.max_pool(
        net, [2, 2, 2], ones, zeros, zeros, [2, 2, 2], "ceil", "valid"
    ).output(0)
    net = operations.concat([net, net], 1)
    net = operations.reduce_mean(net, np.array([2, 3, 4]), keep_dims=False)
    net = operations.matmul(net, operations.constant(np.ones((8, 400), np.float32)), False, False)
    model = openvino.Model([operations.softmax(net, 1)], [pixels], "layers")
    write_provenance(model, Provenance("rgb_scratch", "0" * 96))
    write_model_api_section(model)
    openvino.save_model(model, folder / "layers.xml", compress_to_fp16=False)


def _load(folder: Path) -> dict[str, tuple[str, bytes]]:
    from i3d_rgb_tf.ir.compile import compile_model
    from i3d_rgb_tf.ir.files import read_ir

    templates = {}
    for path in sorted(folder.glob("*.xml")):
        compile_model(read_ir(path), "CPU", "f32", cache=False)
        text = path.read_text(encoding="utf-8")
        templates[path.stem] = (text, path.with_suffix(".bin").read_bytes())
    return templates


def _save(rng: Random, setting: Setting, xml: bytes, weights: bytes, what: str) -> Case:
    path = setting.folder / "model.xml"
    path.write_bytes(xml)
    path.with_suffix(".bin").write_bytes(weights)
    return Case(
        path,
        what,
        reads=("model.xml", "model.bin"),
        data={"run": rng.random() < _SHARE_COMPILED},
    )


def _make_xml(rng: Random, setting: Setting) -> Case:
    name = rng.choice(list(setting.templates))
    text, weights = setting.templates[name]
    way = rng.choice(
        (_attribute, _attribute, _attribute, _element, _element, _text, _bytes, _entity)
    )
    data, what = way(rng, text, setting)
    return _save(rng, setting, data, weights, f"{name} {way.__name__} {what}")


def _attribute(rng: Random, text: str, _: Setting) -> tuple[bytes, str]:
    """Change the values of attributes, or the sizes in <dim>."""
    done = []
    for _ in range(rng.choice((1, 1, 2, 4))):
        found = list(re.finditer(r'(\w+)="([^"]*)"|<dim>([^<]*)</dim>', text))
        chosen = rng.choice(found)
        group = 2 if chosen.group(1) else 3
        value = chosen.group(group)
        new = hostile_text(rng) if rng.random() < 0.7 else rng.choice(found).group(2) or "7"
        if rng.random() < 0.2 and value:
            new = value.replace(value[-1], rng.choice("0159-,."))
        new = "".join(each for each in new if each not in '<&"')
        done.append(f"{chosen.group(1) or 'dim'}={new[:20]!r}")
        text = text[: chosen.start(group)] + new + text[chosen.end(group) :]
    return text.encode("utf-8", "surrogatepass"), " ".join(done)


def _element(rng: Random, text: str, _: Setting) -> tuple[bytes, str]:
    """Remove, repeat or move elements."""
    lines = text.splitlines(keepends=True)
    for _ in range(rng.choice((1, 1, 2))):
        start = rng.randrange(len(lines))
        stop = min(len(lines), start + rng.choice((1, 1, 3, 12)))
        what = rng.choice(("remove", "repeat", "move", "many"))
        part = lines[start:stop]
        if what in {"remove", "move"}:
            del lines[start:stop]
        if what in {"repeat", "move"}:
            place = rng.randrange(len(lines) + 1)
            lines[place:place] = part
        if what == "many":
            lines[start:start] = part * rng.choice((20, 300))
    return "".join(lines).encode(), what


def _text(rng: Random, text: str, _: Setting) -> tuple[bytes, str]:
    return damage_text(rng, text, separators=' "<>\n')


def _bytes(rng: Random, text: str, _: Setting) -> tuple[bytes, str]:
    return damage_bytes(rng, text.encode())


def _entity(rng: Random, text: str, setting: Setting) -> tuple[bytes, str]:
    """Add entities that name a file or expand without end, or elements that nest deeply."""
    what = rng.choice(("file", "laughs", "nest", "rt_info"))
    outside = setting.outside / "secret.txt"
    if what == "file":
        head = f'<!DOCTYPE net [<!ENTITY x SYSTEM "file://{outside}">]>\n'
        text = head + text.replace('name="', 'name="&x;', 3).replace("<?xml", "<!--?xml").replace(
            "?>", "?-->", 1
        )
    elif what == "laughs":
        entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
        text = f'<!DOCTYPE net [<!ENTITY e0 "ha">{entities}]>\n' + text.replace(
            'name="', 'name="&e11;', 1
        )
    elif what == "nest":
        depth = rng.choice((100, 10000, 200000))
        text = text.replace("<layers>", "<layers>" + "<layer>" * depth + "</layer>" * depth, 1)
    else:
        value = re.sub('[<&"\ud800-\udfff]', "", hostile_text(rng)) or "x"
        text = re.sub(r'value="[^"]*"', lambda _: f'value="{value}"', text, count=3)
    return text.encode("utf-8", "surrogatepass"), what


def _make_bin(rng: Random, setting: Setting) -> Case:
    name = rng.choice(list(setting.templates))
    text, weights = setting.templates[name]
    data, what = damage_bytes(rng, weights)
    kind = rng.random()
    if kind < 0.1:
        data, what = b"", "empty"
    elif kind < 0.2:
        data, what = weights[: rng.randrange(len(weights))], "cut"
    elif kind < 0.3:
        data, what = rng.randbytes(len(weights)), "noise"
    case = _save(rng, setting, text.encode(), data, f"{name} {what}")
    other = case.path.with_suffix(".bin")
    kind = rng.random()
    if kind < 0.02:
        other.unlink()
    elif kind < 0.04:
        other.unlink()
        other.mkdir()
    elif kind < 0.06:
        other.unlink()
        other.symlink_to("model.bin")
    elif kind < 0.08:
        shutil.copyfile(case.path, other)
    return case


def _use(case: Case) -> None:
    import numpy as np

    from i3d_rgb_tf.ir.files import read_ir
    from i3d_rgb_tf.ir.metadata import read_provenance
    from i3d_rgb_tf.model import load_model

    if case.data["run"]:
        model = load_model(case.path, inference_precision="f32", cache=False)
        model.predict(np.zeros((79, 224, 224, 3), np.uint8))
    else:
        read_provenance(read_ir(case.path))


_IMPORTS = ("numpy", "i3d_rgb_tf.ir.files", "i3d_rgb_tf.ir.compile", "i3d_rgb_tf.model")

KINDS = {
    "ir-xml": Kind(
        "IR (.xml)",
        "`read_ir`, `load_model`",
        _make_xml,
        _use,
        make_templates=_make_templates,
        load=_load,
        imports=_IMPORTS,
    ),
    "ir-bin": Kind(
        "IR (.bin)",
        "`read_ir`, `load_model`",
        _make_bin,
        _use,
        make_templates=_make_templates,
        load=_load,
        imports=_IMPORTS,
    ),
}
