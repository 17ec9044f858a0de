"""What training does, one stage after the other, and the scenes that it sees.

Pairs of small views, then 2 to 5 larger ones, both under cheap heads; the dense heads on that trunk; then, twice, trunk
and cheap heads with the direction of motion in the loss, and everything together.
"""

from dataclasses import dataclass

from .pool import PoolConfig

MOTION = (0.3, 2.2)
_CROPS = ((112, 112), (112, 112), (84, 112), (98, 112), (112, 84))
_ALL = ("trunk", "auxiliary", "dense")


@dataclass(frozen=True)
class Stage:
    """`steps` batches of about `frames` frames in scenes of views[0] to views[1] views of the pool, or the middle of
    them (`crops`: height, width); the learning rate goes from lr[0] to lr[1] along a cosine, after a warm-up.

    learns: "trunk" (with the camera head), "auxiliary" (the heads that only help training along), "dense" heads; what
    does not learn is frozen. maps weighs coarse depth and points against poses, direction that of the motion.
    one_view: the dense heads, which take most of the time, learn on one view of each scene."""

    name: str
    steps: int
    frames: int
    pool: str
    views: tuple[int, int]
    lr: tuple[float, float]
    crops: tuple[tuple[int, int], ...] = ()
    maps: float = 4.0
    direction: float = 0.0
    learns: tuple[str, ...] = ("trunk", "auxiliary")
    one_view: bool = False


# Weights alone have no auxiliary heads: a run that begins at them learns these first.
STAGES_FROM_WEIGHTS = [
    Stage("auxiliary", 80, 48, "train-112-more", (2, 5), (2e-2, 2e-3), _CROPS, learns=("auxiliary",)),
    Stage("directions", 1800, 48, "train-112-more", (2, 5), (1e-3, 4e-4), _CROPS, direction=1.0),
    Stage("everything", 700, 32, "train-112-more", (2, 5), (4e-4, 1e-5), _CROPS, direction=1.0, learns=_ALL),
    Stage("more directions", 3600, 48, "train-112-third", (2, 5), (1.2e-3, 5e-4), _CROPS, direction=1.5),
    Stage("more of everything", 1650, 48, "train-112-third", (2, 5), (5e-4, 5e-6), _CROPS, direction=1.5, learns=_ALL,
          one_view=True),
]  # fmt: skip
STAGES = [
    Stage("pairs", 2200, 64, "train-84", (2, 2), (2e-3, 1e-3), maps=2.0),
    Stage("views", 1700, 48, "train-112", (2, 5), (1e-3, 2e-5), _CROPS),
    Stage("dense", 600, 24, "train-112", (2, 4), (1e-3, 1e-5), _CROPS, learns=("dense",)),
    *STAGES_FROM_WEIGHTS,
]
POOLS = {
    "train-84": PoolConfig(seed=1, scenes=4000, views=8, height=84, width=84, textures=300, motion=MOTION),
    "train-112": PoolConfig(seed=2, scenes=2000, views=8, height=112, width=112, textures=300, motion=MOTION),
    "train-112-more": PoolConfig(seed=3, scenes=4000, views=8, height=112, width=112, textures=300, motion=MOTION),
    "train-112-third": PoolConfig(seed=4, scenes=4000, views=8, height=112, width=112, textures=300, motion=MOTION),
}
VALIDATION = {
    size: PoolConfig(seed=900, scenes=250, views=8, height=size, width=size, textures=300, motion=MOTION)
    for size in (84, 112)
}
