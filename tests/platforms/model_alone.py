"""Runs an MLflow model where nothing of ours can be imported: ``TRACKING_URI MODEL_URI X Y Z``.

Started as a script of its own, by tests. X holds raw inputs; outputs of the flavour
``python_function`` go to Y and those of ``pytorch`` to Z, all npy files.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder

import mlflow
import numpy as np
import torch


class Refusal(MetaPathFinder):
    def find_spec(self, name: str, *_: object) -> None:
        if name.split(".", maxsplit=1)[0] in {"ltengine", "ltforge", "service", "worker"}:
            raise ImportError(f"{name} must not be needed")


if __name__ == "__main__":
    sys.meta_path.insert(0, Refusal())
    _, tracking_uri, model_uri, inputs, general, own = sys.argv
    mlflow.set_tracking_uri(tracking_uri)
    x = np.load(inputs)
    np.save(general, mlflow.pyfunc.load_model(model_uri).predict(x))
    with torch.no_grad():
        np.save(own, mlflow.pytorch.load_model(model_uri)(torch.from_numpy(x)).numpy())
