"""A trained network's file out of MLflow, to be uploaded as a checkpoint.

The file is fetched here, by whoever may read the MLflow server; LTForge's service never follows
an address that somebody sends it.
"""

from __future__ import annotations

from pathlib import Path

from ltforge.errors import LTForgeError
from ltforge.extras import needing

SCHEMES = ("models:/", "runs:/", "mlflow-artifacts:/")
_CHECKPOINTS = (".safetensors", ".onnx", ".pt", ".pth")


def fetch_checkpoint(uri: str, folder: Path, tracking_uri: str | None = None) -> Path:
    """The checkpoint's file, now in the folder.

    Args:
        uri: ``models:/NAME/VERSION`` or ``runs:/ID/PATH``, of a file or of a folder with one
            checkpoint in it: safetensors, a PyTorch state_dict, or ONNX.
        folder: where it goes.
        tracking_uri: of the server; None: as MLflow's own variables say.

    Raises:
        LTForgeError: there is no such artifact, or not one checkpoint in it.
        MissingExtraError: MLflow is not installed.
    """
    with needing("a checkpoint from MLflow"):
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415
        from mlflow.exceptions import MlflowException  # noqa: PLC0415
    try:
        found = Path(
            download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=tracking_uri)
        )
    except (MlflowException, OSError) as failure:
        raise LTForgeError("ARTIFACT_NOT_FETCHED", f"cannot fetch {uri}: {failure}") from failure
    if found.is_file():
        return found
    files = [path for path in sorted(found.rglob("*")) if path.suffix in _CHECKPOINTS]
    if len(files) != 1:
        listed = ", ".join(str(path.relative_to(found)) for path in files) or "none"
        raise LTForgeError(
            "NOT_ONE_CHECKPOINT",
            f"{uri} shall have one file of {', '.join(_CHECKPOINTS)}, and has: {listed}; "
            "name the file: runs:/ID/PATH",
        )
    return files[0]
