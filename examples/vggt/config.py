"""Sizes of a VGGT: one dataclass per part, read from JSON with every field checked."""

import dataclasses
import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG_FOLDER = Path(__file__).resolve().parent / "configs"


class ConfigError(ValueError):
    """A config that names no possible model. The message starts with the field's dotted name."""


@dataclass(frozen=True)
class PatchEmbedConfig:
    """The ViT that turns one image into patch tokens."""

    depth: int
    num_heads: int
    mlp_ratio: float
    num_register_tokens: int


@dataclass(frozen=True)
class AggregatorConfig:
    """`depth` pairs of one frame block and one global block."""

    depth: int
    num_heads: int
    mlp_ratio: float
    num_register_tokens: int
    rope_freq: float


@dataclass(frozen=True)
class CameraHeadConfig:
    dim_in: int
    trunk_depth: int
    num_heads: int
    mlp_ratio: float
    num_iterations: int


@dataclass(frozen=True)
class DenseHeadConfig:
    """`output_dim` counts the confidence, the last channel."""

    dim_in: int
    output_dim: int
    activation: str
    conf_activation: str
    features: int
    out_channels: list[int]
    intermediate_layer_idx: list[int]


@dataclass(frozen=True)
class TrackHeadConfig:
    """`max_scale` is the number motion is divided by, whatever the image's size."""

    dim_in: int
    features: int
    iters: int
    stride: int
    corr_levels: int
    corr_radius: int
    hidden_size: int
    depth: int
    num_virtual_tracks: int
    num_heads: int
    max_scale: float
    out_channels: list[int]
    intermediate_layer_idx: list[int]


@dataclass(frozen=True)
class VGGTConfig:
    """A head that is None is not built, and its outputs are absent."""

    img_size: int
    patch_size: int
    embed_dim: int
    patch_embed: PatchEmbedConfig
    aggregator: AggregatorConfig
    camera_head: CameraHeadConfig | None = None
    point_head: DenseHeadConfig | None = None
    depth_head: DenseHeadConfig | None = None
    track_head: TrackHeadConfig | None = None

    @staticmethod
    def from_dict(data: Any) -> "VGGTConfig":
        """Raises ConfigError for unknown, missing or impossible fields."""
        config = _build(VGGTConfig, data, "")
        _check(config)
        return config

    @staticmethod
    def from_file(path: str | Path) -> "VGGTConfig":
        """Raises OSError when the file cannot be read, ConfigError for what is in it."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"not JSON: {error}") from None
        return VGGTConfig.from_dict(data)

    @staticmethod
    def vggt1b() -> "VGGTConfig":
        """The sizes of the published checkpoint."""
        return VGGTConfig.from_file(CONFIG_FOLDER / "vggt1b.json")

    def heads(self) -> dict[str, CameraHeadConfig | DenseHeadConfig | TrackHeadConfig | None]:
        """All four heads by name, None for those left out."""
        return {name: getattr(self, name) for name in ("camera_head", "point_head", "depth_head", "track_head")}

    def kept_pairs(self) -> list[int]:
        """Zero-based pairs that some head reads, ascending. The camera head reads the last one."""
        kept = {self.aggregator.depth - 1}
        for head in self.heads().values():
            kept.update(getattr(head, "intermediate_layer_idx", []))
        return sorted(kept)


_PARTS = {
    "patch_embed": PatchEmbedConfig,
    "aggregator": AggregatorConfig,
    "camera_head": CameraHeadConfig,
    "point_head": DenseHeadConfig,
    "depth_head": DenseHeadConfig,
    "track_head": TrackHeadConfig,
}


def _build(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise ConfigError(f"{where.rstrip('.') or 'config'}: expected an object, got {data!r}")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for name in data:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, 1, 0.0)
            raise ConfigError(f"{where}{name}: unknown field; nearest: {near[0]}")
    values = {}
    for name, field in fields.items():
        optional = field.default is None
        if name not in data and not optional:
            raise ConfigError(f"{where}{name}: missing")
        value = data.get(name)
        if value is None and optional:
            values[name] = None
        elif name in _PARTS:
            values[name] = _build(_PARTS[name], value, f"{where}{name}.")
        else:
            values[name] = _plain(field.type, value, where + name)
    return cls(**values)


def _plain(kind: Any, value: Any, where: str) -> Any:
    if kind is str:
        if isinstance(value, str):
            return value
        raise ConfigError(f"{where}: expected a string, got {value!r}")
    if kind == list[int]:
        if isinstance(value, list) and len(value) == 4 and all(type(v) is int and v >= 0 for v in value):
            return value
        raise ConfigError(f"{where}: expected four integers, got {value!r}")
    if kind is float:
        if type(value) in (int, float) and value > 0:
            return float(value)
        raise ConfigError(f"{where}: expected a positive number, got {value!r}")
    if type(value) is int and value >= (0 if where.endswith(("num_register_tokens", "corr_radius")) else 1):
        return value
    raise ConfigError(f"{where}: expected a positive integer, got {value!r}")


def _need_multiple(where: str, value: int, of: int, why: str) -> None:
    if value % of:
        raise ConfigError(f"{where}: expected a multiple of {of} ({why}), got {value}")


def _check(c: VGGTConfig) -> None:
    _need_multiple("img_size", c.img_size, c.patch_size, "patch_size")
    _need_multiple("embed_dim", c.embed_dim, c.patch_embed.num_heads, "patch_embed.num_heads")
    _need_multiple("embed_dim", c.embed_dim, 4 * c.aggregator.num_heads, "4 * aggregator.num_heads: rotary embedding")
    for name, head in c.heads().items():
        if head is None:
            continue
        if head.dim_in != 2 * c.embed_dim:
            raise ConfigError(f"{name}.dim_in: expected {2 * c.embed_dim} (2 * embed_dim), got {head.dim_in}")
        pairs = getattr(head, "intermediate_layer_idx", [])
        if pairs and max(pairs) >= c.aggregator.depth:
            raise ConfigError(
                f"{name}.intermediate_layer_idx: expected pairs below aggregator.depth {c.aggregator.depth}, "
                f"got {pairs}"
            )
        for k in getattr(head, "out_channels", []):
            _need_multiple(f"{name}.out_channels", k, 4, "for the position embedding")
            if k == 0:
                raise ConfigError(f"{name}.out_channels: expected positive numbers, got 0")
    if c.camera_head:
        _need_multiple("camera_head.dim_in", c.camera_head.dim_in, c.camera_head.num_heads, "camera_head.num_heads")
    for name, dense in (("point_head", c.point_head), ("depth_head", c.depth_head)):
        if dense is None:
            continue
        _need_multiple(f"{name}.features", dense.features, 8, "half of it carries a position embedding")
        if dense.output_dim < 2:
            raise ConfigError(f"{name}.output_dim: expected 2 or more, the last for confidence; got {dense.output_dim}")
        if dense.activation not in ("exp", "inv_log"):
            raise ConfigError(f"{name}.activation: expected exp or inv_log, got {dense.activation!r}")
        if dense.conf_activation != "expp1":
            raise ConfigError(f"{name}.conf_activation: expected expp1, got {dense.conf_activation!r}")
    if c.track_head:
        _need_multiple("track_head.features", c.track_head.features, 4, "for the position embedding")
        heads = c.track_head.num_heads
        _need_multiple("track_head.hidden_size", c.track_head.hidden_size, heads, "track_head.num_heads")
        _need_multiple("patch_size", c.patch_size, c.track_head.stride, "track_head.stride")
