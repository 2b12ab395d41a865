"""Finding the networks that come with the package."""

from __future__ import annotations

from pathlib import Path

from nnsearch.errors import ModelFileError

DEFAULT_MODEL = "bp"
"""What solves where nobody names a network: it reads any model, and nothing of it was trained."""

LP = "lp"
"""The scorer that solves the linear relaxation. It is taken wherever the name of a network is, and has no file."""


def models_dir() -> Path:
    """Return the folder of pretrained networks: inside the installed package, or beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def pretrained_models() -> dict[str, Path]:
    """Return the pretrained networks by name."""
    return {path.stem: path for path in sorted(models_dir().glob("*.onnx"))}


def find_model(spec: str | Path) -> Path:
    """Return the file of a model given by name or path.

    Args:
        spec: the name of a pretrained network, or a path (anything that ends in ``.onnx`` or has a folder in it).

    Raises:
        ModelFileError: there is no such name or file.
    """
    text = str(spec)
    if isinstance(spec, Path) or text.endswith(".onnx") or "/" in text or "\\" in text:
        path = Path(spec)
        if not path.is_file():
            raise ModelFileError(f"{path}: expected an .onnx file, found none")
        return path
    known = pretrained_models()
    if text == LP and LP not in known:
        raise ModelFileError(
            f"{LP}: expected a network, got the scorer that solves the linear relaxation; it has no file"
        )
    if text not in known:
        raise ModelFileError(
            f"unknown model {text!r}: expected one of {', '.join(known) or '(none installed)'}, "
            f"a path to an .onnx file, or {LP}, the linear relaxation, where a scorer will do"
        )
    return known[text]
