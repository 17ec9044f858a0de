"""The benchmarks are a package at the repository's root."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

TINY = {
    "img_size": 56, "patch_size": 14, "embed_dim": 32,
    "patch_embed": {"depth": 1, "num_heads": 2, "mlp_ratio": 2.0, "num_register_tokens": 1},
    "aggregator": {"depth": 2, "num_heads": 2, "mlp_ratio": 2.0, "num_register_tokens": 1, "rope_freq": 100},
    "camera_head": {"dim_in": 64, "trunk_depth": 1, "num_heads": 2, "mlp_ratio": 2.0, "num_iterations": 1},
    "depth_head": {"dim_in": 64, "output_dim": 2, "activation": "exp", "conf_activation": "expp1", "features": 16,
                   "out_channels": [16, 16, 16, 16], "intermediate_layer_idx": [0, 0, 1, 1]},
}  # fmt: skip


@pytest.fixture
def tiny() -> dict[str, Any]:
    """Sizes of a VGGT that runs in milliseconds."""
    return TINY
