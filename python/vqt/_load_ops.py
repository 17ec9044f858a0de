"""Loads libvqt_ops.so. Under another torch or Python than it was built for, says so before the loader says
"undefined symbol"."""

import sys
from pathlib import Path

import torch

from ._built_for import PYTHON, TORCH


def _check_versions() -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python != PYTHON:
        raise ImportError(f"vqt was built for Python {PYTHON}, this is Python {python} ({sys.executable})")
    here = torch.__version__.split("+")[0]
    if here.split(".")[:2] != TORCH.split(".")[:2]:
        series = ".".join(TORCH.split(".")[:2])
        raise ImportError(f"vqt was built for torch {TORCH}, this is torch {here} ({Path(torch.__file__).parent}): "
                          f"install torch=={series}.*")


def _load() -> None:
    library = Path(__file__).resolve().parent.parent / "libvqt_ops.so"
    try:
        torch.ops.load_library(str(library))
    except OSError as error:
        raise ImportError(f"{library}, built for torch {TORCH}, cannot be loaded with torch {torch.__version__} "
                          f"({Path(torch.__file__).parent}): {error.__cause__ or error}") from error


_check_versions()
_load()
