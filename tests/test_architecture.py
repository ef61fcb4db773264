"""The architecture table describes the published network."""

from __future__ import annotations

import csv
import math

from i3d_rgb_tf.architecture import convolutions, tensor_shapes


def test_the_table_gives_the_published_tensors_in_the_order_of_the_checkpoint(shared_folder):
    with (shared_folder / "checkpoints" / "tensors.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["weights"] == "rgb_imagenet"]
    published = {row["tensor"]: tuple(map(int, row["shape"].split("x"))) for row in rows}

    assert tensor_shapes() == published
    assert list(tensor_shapes()) == list(published)


def test_the_network_has_the_published_number_of_parameters():
    # Batch norm folds into a bias for each filter.
    parameters = sum(
        (math.prod(conv.kernel) * channels + 1) * conv.out_channels
        for _, conv, channels in convolutions()
    )

    assert round(parameters / 1e6, 2) == 12.69
