"""Write the probabilities that accuracy_check stored as JSON.

Started in the environment of the zoo's tools, whose classes the pickle holds:

    python read_predictions.py STORED.pickle OUTPUT.json

The output is a list of the name of the video, the number of the clip and its probabilities.
"""

import json
import pickle
import sys
from pathlib import Path


def main(stored, output):
    """Convert every batch of the file."""
    predictions = []
    with Path(stored).open("rb") as file:
        while file.peek(1):
            batch = pickle.load(file)
            (prediction,) = batch.raw_predictions
            (identifier,) = batch.identifiers
            # One identifier for each frame of the clip, all of the same video.
            first = identifier[0] if isinstance(identifier, list) else identifier
            (probabilities,) = prediction.values()
            video = Path(first.video).name
            predictions.append([video, first.clip_id, probabilities.ravel().tolist()])
    Path(output).write_text(json.dumps(predictions))


if __name__ == "__main__":
    main(*sys.argv[1:])
