"""Loads the ops once: VQT_OPS_LIB, or what the default build made."""

import os
from pathlib import Path

import torch

_DEFAULT = Path(__file__).resolve().parents[2] / "build" / "lib" / "libvqt_ops.so"
torch.ops.load_library(os.environ.get("VQT_OPS_LIB", str(_DEFAULT)))
