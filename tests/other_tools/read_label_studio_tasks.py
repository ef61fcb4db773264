"""Check tasks by Label Studio's SDK against a labeling configuration, and export them.

Started in the environment of the SDK:

    python read_label_studio_tasks.py CONFIG.xml TASKS.json

Prints what the SDK says against the configuration, the tasks and their predictions, and what its
converter exports when each prediction is accepted as the annotation of its task, as JSON.
"""

import json
import sys
import tempfile
from pathlib import Path

from label_studio_sdk.converter import Converter
from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import TaskValue


def main(config_path, tasks_path):
    """Print one line of JSON."""
    config = Path(config_path).read_text(encoding="utf-8")
    tasks = json.loads(Path(tasks_path).read_text(encoding="utf-8"))
    interface = LabelInterface(config)
    interface.validate()
    errors = []
    for task in tasks:
        TaskValue(**task)
        if not interface.validate_task({"data": task["data"]}):
            errors.append(f"the data is not that of the configuration: {task['data']}")
        for prediction in task["predictions"]:
            errors += interface.validate_prediction(prediction, return_errors=True)
    print(json.dumps({"errors": errors, "exported": export(config, tasks)}))


def export(config, tasks):
    """Return what the format JSON_MIN has of each task."""
    accepted = [
        {
            "id": number,
            "data": task["data"],
            "annotations": [
                {"id": number, "completed_by": 1, "result": each["result"]}
                for each in task["predictions"]
            ],
        }
        for number, task in enumerate(tasks, 1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tasks.json")
        path.write_text(json.dumps(accepted), encoding="utf-8")
        converter = Converter(config, folder)
        converter.convert_to_json_min(str(path), folder, is_dir=False)
        return json.loads(Path(folder, "result.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(*sys.argv[1:])
