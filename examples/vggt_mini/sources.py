"""Photographs that textures are cut from: some for training, others for everything held out."""

import importlib.util
from pathlib import Path

_TRAINING = ("coffee.png", "astronaut.png", "brick.png", "grass.png", "gravel.png", "chelsea.png", "rocket.jpg",
             "ihc.png", "hubble_deep_field.jpg", "motorcycle_left.png")  # fmt: skip
_ROOT = Path(__file__).resolve().parents[2]


def training_photos() -> list[Path]:
    """Pictures that come with scikit-image. Raises ValueError where it is not installed."""
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise ValueError("expected scikit-image for its images: .venv/bin/pip install -r requirements-train.txt")
    folder = Path(found.origin).parent / "data"
    missing = [name for name in _TRAINING if not (folder / name).exists()]
    if missing:
        raise ValueError(f"{folder}: expected scikit-image's image {missing[0]}")
    return [folder / name for name in _TRAINING]


def held_out_photos() -> list[Path]:
    """The photographs of examples/photos."""
    return sorted((_ROOT / "examples/photos").glob("*/*.jpg"))
