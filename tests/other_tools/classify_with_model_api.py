"""Open an IR with OpenVINO's Model API, by its file alone, and classify clips.

Started in the environment of Model API:

    python classify_with_model_api.py IR.xml CLIP.npy...

Prints the name of the wrapper, its parameters and, for each clip, the label and its score in f32,
and the label in the arithmetic that the device prefers, as JSON.
"""

import json
import sys

import numpy as np
from model_api.adapters import OpenvinoAdapter, create_core
from model_api.models import Model


def main(path, *clips):
    """Print one line of JSON."""
    model = Model.create_model(path)
    # Model.create_model takes no configuration of the device.
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    adapter = OpenvinoAdapter(create_core(), path, device="CPU", plugin_config=config)
    in_f32 = Model.create_model(adapter)
    predictions = []
    for clip in map(np.load, clips):
        (label,) = in_f32(clip).top_labels
        (preferred,) = model(clip).top_labels
        predictions.append([label.name, float(label.confidence), preferred.name])
    found = {
        "wrapper": type(model).__name__,
        "parameters": {name: model.get_param(name) for name in model.parameters()},
        "predictions": predictions,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
