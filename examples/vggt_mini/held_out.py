"""Renders the held-out scenes that ship: `python -m examples.vggt_mini.held_out`.

Rooms, textures and cameras that neither training nor validation sees, of the same distribution as training's. demo is
for the demo and for tests; final is used only for the final figures. The same machine writes the same bytes
again; another one may round a ray's hit, and so a byte of an image, differently.
"""

import argparse
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from .eth3d import write_scene
from .scenes import make_scene
from .sources import held_out_photos
from .stages import MOTION, POOLS, VALIDATION
from .textures import load_photos, make_atlas

SCENES = Path(__file__).with_name("scenes")
SIZE = 112
TEXTURES = 300


@dataclass(frozen=True)
class Part:
    """views: how many each scene has."""

    seed: int
    name: str
    views: tuple[int, ...]


PARTS = [Part(910, "demo", (4, 4, 4, 5, 6)), Part(920, "final", (4,) * 18)]


def scene_names(part: Part) -> list[str]:
    digits = len(str(len(part.views)))
    return [f"room_{i + 1:0{digits}}" for i in range(len(part.views))]


def render_part(part: Part, out: Path, only: int | None = None) -> None:
    """Writes the part's scenes, or only the one of that index, over those of before."""
    taken = {config.seed for configs in (POOLS, VALIDATION) for config in configs.values()}
    if part.seed in taken:
        raise ValueError(f"seed {part.seed} of {part.name} is a training or validation pool's; expected another one")
    atlas_seed = part.seed * 100_000  # as in pool.py
    atlas = make_atlas(atlas_seed, TEXTURES, load_photos(held_out_photos()))
    for i, (name, views) in enumerate(zip(scene_names(part), part.views)):
        if only is not None and i != only:
            continue
        scene = make_scene(atlas_seed * 1000 + i, atlas, views, SIZE, SIZE, MOTION)
        folder = out / part.name / name
        if folder.exists():
            shutil.rmtree(folder)
        write_scene(folder, scene, seed=i)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="held_out", description=__doc__)
    parser.add_argument("--out", type=Path, default=SCENES, help="folder that demo and final are written into")
    args = parser.parse_args(argv)
    try:
        for part in PARTS:
            print(f"held_out: {part.name}: {len(part.views)} scenes of {SIZE} x {SIZE} pixels", flush=True)
            render_part(part, args.out)
    except (ValueError, OSError) as error:
        print(f"held_out: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
