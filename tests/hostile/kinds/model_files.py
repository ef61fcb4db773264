"""The zoo's model.yml."""

from __future__ import annotations

from pathlib import Path
from random import Random

from hostile.cases import Case, Kind, Setting
from hostile.mutations import damage_bytes, damage_document, damage_text, hostile_text

__all__ = ["KINDS"]

_TAGS = (
    "!!python/object/apply:os.system [touch {marker}]",
    "!!python/object/new:os.system [touch {marker}]",
    "!!python/name:os.system",
    "!!python/module:this",
    "!!timestamp 2001-99-99",
    "2001-02-30",
    "!!binary notbase64",
    "!!set {{a, b}}",
    "!!int 0x",
    "1:99:99",
    "!!float abc",
    "*missing",
    "&x [*x]",
    "? [a]\n: b",
    "<<: 3",
)


def _load(_: Path) -> str:
    from i3d_rgb_tf.spec import entry_folder, load_spec
    from i3d_rgb_tf.zoo.installation import has_our_layout

    path = entry_folder() / "model.yml"
    load_spec()
    has_our_layout(path)
    return path.read_text(encoding="utf-8")


def _make(rng: Random, setting: Setting) -> Case:
    import yaml

    text: str = setting.templates
    way = rng.choice(("text", "text", "bytes", "document", "document", "tag", "tag", "laughs"))
    if way == "text":
        data, what = damage_text(rng, text, separators=" :\n[],")
    elif way == "bytes":
        data, what = damage_bytes(rng, text.encode())
    elif way == "document":
        document, what = damage_document(rng, yaml.safe_load(text))
        data = yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass")
    elif way == "tag":
        lines = text.splitlines()
        index = rng.randrange(len(lines))
        tag = rng.choice(_TAGS).format(marker=setting.outside / "marker")
        key, colon, _ = lines[index].partition(":")
        lines[index] = f"{key}{colon} {tag}"
        data, what = "\n".join(lines).encode(), tag
    else:
        data, what = _laughs(rng, text)
    path = setting.folder / "model.yml"
    path.write_bytes(data)
    return Case(path, f"{way} {what}")


def _laughs(rng: Random, text: str) -> tuple[bytes, str]:
    """Return a document with aliases for over a billion items in a place that is read."""
    lists = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lists += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    key = rng.choice(("layout", "shape", "name", "size", "checksum", "source", "description"))
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if line.strip(" -").startswith(f"{key}:"):
            lines[index] = line.partition(":")[0] + ": *a9"
            if index + 1 < len(lines) and key == "description":
                lines[index + 1] = "#" + hostile_text(rng)[:9].replace("\n", "")
            break
    return "\n".join([*lists, *lines]).encode("utf-8", "replace"), key


def _use(case: Case) -> None:
    from i3d_rgb_tf.spec import load_spec
    from i3d_rgb_tf.zoo.installation import has_our_layout

    load_spec.cache_clear()
    if not isinstance(has_our_layout(case.path), bool):
        raise AssertionError("has_our_layout returned no bool")
    load_spec(case.path)


KINDS = {
    "model-yml": Kind(
        "`model.yml`",
        "`load_spec`, `zoo register`",
        _make,
        _use,
        load=_load,
        imports=("yaml", "i3d_rgb_tf.spec", "i3d_rgb_tf.zoo.installation"),
    )
}
