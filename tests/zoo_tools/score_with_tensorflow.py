"""Run the frozen graph with TensorFlow on the pixels that accuracy_check feeds to the model.

Runs in the environment of the zoo's tools, with their own converter, reader and preprocessing:

    python score_with_tensorflow.py CONFIG DATA GRAPH OUTPUT.json

For each data set of CONFIG it writes the video and the probabilities of each clip.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf
import yaml
from openvino.tools.accuracy_checker.annotation_converters import BaseFormatConverter
from openvino.tools.accuracy_checker.data_readers import BaseReader
from openvino.tools.accuracy_checker.preprocessor import PreprocessingExecutor


def main(config, data, graph, output):
    """Score the clips of every data set."""
    definition = tf.compat.v1.GraphDef.FromString(Path(graph).read_bytes())
    with tf.Graph().as_default() as network:
        tf.import_graph_def(definition, name="")
    session = tf.compat.v1.Session(graph=network)

    def infer(clip):
        pixels = (clip[np.newaxis] - np.float32(127.5)) / np.float32(127.5)
        return session.run("Softmax:0", {"Placeholder:0": pixels})[0].tolist()

    scores = {}
    for dataset in yaml.safe_load(Path(config).read_text())["models"][0]["datasets"]:
        settings = dict(dataset["annotation_conversion"])
        for key in ("annotation_file", "data_dir"):
            settings[key] = Path(data) / settings[key]
        converter = BaseFormatConverter.provide(settings["converter"], settings)
        reader = BaseReader.provide(dataset["reader"], Path(data) / dataset["data_source"])
        preprocessing = PreprocessingExecutor(dataset["preprocessing"])
        videos, clips = [], []
        for annotation in converter.convert().annotations:
            (clip,) = preprocessing.process([reader(annotation.identifier)])
            videos.append(Path(annotation.identifier.video).name)
            clips.append(np.stack(clip.data))
        # TensorFlow's max pooling uses one thread, so clips run in parallel.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            scores[dataset["name"]] = list(zip(videos, pool.map(infer, clips), strict=True))
    Path(output).write_text(json.dumps(scores))


if __name__ == "__main__":
    main(*sys.argv[1:])
