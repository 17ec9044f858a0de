"""A TorchScript-scriptable VGGT whose state dict has the keys and shapes of the published VGGT-1B checkpoint."""

from .config import ConfigError, VGGTConfig
from .model import VGGT

__all__ = ["VGGT", "ConfigError", "VGGTConfig"]
