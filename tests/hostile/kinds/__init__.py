"""The kinds of input, each in a module; what a module needs is imported only with it."""

from __future__ import annotations

import importlib

from hostile.cases import Kind

__all__ = ["KINDS", "SELF_TEST", "load_kind"]

KINDS = {
    "video": "videos",
    "graph": "graphs",
    "ir-xml": "irs",
    "ir-bin": "irs",
    "model-yml": "model_files",
    "csv": "datasets",
    "json": "datasets",
    "manifest": "prepared",
    "journal": "prepared",
    "checkpoint": "checkpoints",
    "pickle": "archives",
    "tar": "archives",
    "cache": "caches",
    "http": "servers",
    "labels": "label_files",
    "features": "feature_files",
    "live": "live_streams",
}
"""The module of each kind."""


SELF_TEST = "misbehaving"
"""A kind whose reader does what none may do, to test that this is noticed."""


def load_kind(name: str) -> Kind:
    """Return a kind by its name."""
    module = importlib.import_module(f"hostile.kinds.{KINDS.get(name, name)}")
    kind: Kind = module.KINDS[name]
    return kind
