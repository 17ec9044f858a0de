"""Rendered scenes on disk: made once, read as memory maps."""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .scenes import Views, make_scene
from .textures import load_photos, make_atlas

SHARD = 250


@dataclass(frozen=True)
class PoolConfig:
    """What a pool holds: `scenes` scenes of `views` views of height x width pixels, all from one seed."""

    seed: int
    scenes: int
    views: int
    height: int
    width: int
    textures: int
    motion: tuple[float, float]


def _write_shard(folder: Path, config: PoolConfig, photos: list[Path], shard: int) -> None:
    target = folder / f"shard-{shard:04d}.npz"
    if target.exists():
        return
    # Every shard has textures of its own.
    seed = config.seed * 100_000 + shard
    atlas = make_atlas(seed, config.textures, load_photos(photos))
    count = min(SHARD, config.scenes - shard * SHARD)
    shape = (config.views, config.height, config.width)
    scenes = [make_scene(seed * 1000 + i, atlas, *shape, config.motion) for i in range(count)]
    part = target.with_suffix(".part.npz")
    np.savez(
        part,
        images=np.stack([s.images for s in scenes]),
        depth=np.stack([s.depth for s in scenes]).astype(np.float16),
        extrinsics=np.stack([s.extrinsics for s in scenes]),
        fov=np.stack([s.fov for s in scenes]),
    )
    os.replace(part, target)


def build_pool(folder: Path, config: PoolConfig, photos: list[Path], processes: int) -> None:
    """Renders what is missing of the pool in `folder`. Raises ValueError where the folder holds another pool."""
    folder.mkdir(parents=True, exist_ok=True)
    described = folder / "pool.json"
    wanted = json.dumps(asdict(config) | {"photos": [p.name for p in photos]}, indent=1)
    if described.exists() and described.read_text() != wanted:
        raise ValueError(f"{folder}: holds another pool than asked for; delete it or name another folder")
    described.write_text(wanted)
    shards = range((config.scenes + SHARD - 1) // SHARD)
    with ProcessPoolExecutor(processes) as workers:
        for done in [workers.submit(_write_shard, folder, config, photos, shard) for shard in shards]:
            done.result()


class Pool:
    """All scenes of a pool folder in memory, arrays as in Views with a leading scene axis."""

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        files = sorted(folder.glob("shard-[0-9]*.npz"))
        files = [f for f in files if ".part" not in f.name]
        if not files:
            raise ValueError(f"{folder}: expected rendered scenes (shard-*.npz), found none")
        parts = [np.load(f) for f in files[: limit and -(-limit // SHARD)]]
        self.images = np.concatenate([p["images"] for p in parts])
        self.depth = np.concatenate([p["depth"] for p in parts])
        self.extrinsics = np.concatenate([p["extrinsics"] for p in parts])
        self.fov = np.concatenate([p["fov"] for p in parts])

    def __len__(self) -> int:
        return len(self.images)

    def scene(self, i: int) -> Views:
        return Views(self.images[i], self.depth[i].astype(np.float32), self.extrinsics[i], self.fov[i])
