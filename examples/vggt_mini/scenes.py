"""Random rooms with objects, and cameras in them whose views overlap."""

import numpy as np

from .render import BOX, CYLINDER, ROOM, SPHERE, Shapes, render
from .views import Views, focal_lengths

# Share of a view's pixels that the scene's first view must see as well.
MIN_OVERLAP = 0.25
_NEAREST = 0.2
_ATTEMPTS = 60


def _turn(axis: int, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    a, b = [i for i in range(3) if i != axis]
    out = np.eye(3)
    out[a, a], out[a, b], out[b, a], out[b, b] = c, -s, s, c
    return out


def _room(rng: np.random.Generator, textures: int) -> tuple[Shapes, np.ndarray]:
    """Room, posters on its walls, objects in it; and the room's half extents."""
    half_room = np.array([rng.uniform(1.8, 3.5), rng.uniform(1.2, 1.7), rng.uniform(1.8, 3.5)])
    kinds, turns, centres, halves = [ROOM], [np.eye(3)], [np.zeros(3)], [half_room]
    for _ in range(int(rng.integers(3, 9))):  # posters
        wall = int(rng.integers(0, 2)) * 2
        size = rng.uniform(0.2, 0.8, 3)
        size[wall] = 0.01
        centre = rng.uniform(-0.8, 0.8, 3) * half_room
        centre[wall] = half_room[wall] * rng.choice([-1, 1])
        kinds.append(BOX), turns.append(np.eye(3)), centres.append(centre), halves.append(size)
    for _ in range(int(rng.integers(5, 11))):  # objects
        kind = int(rng.choice([BOX, SPHERE, CYLINDER]))
        size = rng.uniform(0.12, 0.55, 3)
        centre = rng.uniform(-0.75, 0.75, 3) * half_room
        lower = size[0] if kind == SPHERE else size[1]
        if rng.random() < 0.7:  # on the floor, the rest in the air
            centre[1] = half_room[1] - lower
        turn = _turn(1, rng.uniform(0, 2 * np.pi))
        if rng.random() < 0.25:
            turn = _turn(0, rng.uniform(-0.6, 0.6)) @ turn
        kinds.append(kind), turns.append(turn), centres.append(centre), halves.append(size)
    n = len(kinds)
    shapes = Shapes(
        kind=np.array(kinds, np.int32),
        rotation=np.array(turns, np.float32),
        centre=np.array(centres, np.float32),
        half=np.array(halves, np.float32),
        textures=rng.integers(0, textures, (n, 6)).astype(np.int32),
        scale=rng.uniform(0.35, 1.2, (n, 6)).astype(np.float32),
        offset=rng.uniform(0, 2, (n, 6, 2)).astype(np.float32),
    )
    shapes.scale[0] *= 0.6
    return shapes, half_room


def _look_at(position: np.ndarray, target: np.ndarray, roll: float) -> np.ndarray:
    """Extrinsic [3, 4] of a camera at position that looks at target, y down."""
    forward = target - position
    forward /= np.linalg.norm(forward)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    rotation = _turn(2, roll) @ np.stack([right, np.cross(forward, right), forward])
    return np.concatenate([rotation, -(rotation @ position)[:, None]], axis=1)


def _free(position: np.ndarray, shapes: Shapes, half_room: np.ndarray) -> bool:
    if (np.abs(position) > half_room - 0.25).any():
        return False
    reach = np.linalg.norm(shapes.half, axis=1) + 0.15
    reach[shapes.kind == ROOM] = 0
    return bool((np.linalg.norm(shapes.centre - position, axis=1) > reach).all())


def overlap(depth: np.ndarray, extrinsic: np.ndarray, other_depth: np.ndarray, other: np.ndarray,
            focal: tuple[float, float]) -> float:  # fmt: skip
    """Share of view one's pixels (every fourth) that view two sees: inside it, and at the depth seen there."""
    height, width = depth.shape
    v, u = np.mgrid[2:height:4, 2:width:4]
    z = depth[v, u]
    points = np.stack([(u - width / 2) / focal[0] * z, (v - height / 2) / focal[1] * z, z], -1)
    world = (points - extrinsic[:, 3]) @ extrinsic[:, :3]
    there = world @ other[:, :3].T + other[:, 3]
    x = np.round(there[..., 0] / there[..., 2] * focal[0] + width / 2)
    y = np.round(there[..., 1] / there[..., 2] * focal[1] + height / 2)
    inside = (there[..., 2] > 0.05) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    seen = other_depth[np.where(inside, y, 0).astype(int), np.where(inside, x, 0).astype(int)]
    return float((inside & (np.abs(there[..., 2] / seen - 1) < 0.05)).mean())


def make_scene(seed: int, atlas: np.ndarray, views: int, height: int, width: int, motion: tuple[float, float]) -> Views:
    """A room with `views` overlapping views.

    motion: range in metres of the scene's baseline: cameras stand within this distance of the first one, all
    looking near a common point. Same seed and arguments, same scene.
    """
    rng = np.random.default_rng(seed)
    while True:
        scene = _try_scene(rng, atlas, views, height, width, motion)
        if scene is not None:
            return scene


def _try_scene(rng, atlas, views, height, width, motion) -> Views | None:
    shapes, half_room = _room(rng, len(atlas))
    light = rng.uniform(-0.8, 0.8, 3) * half_room
    light[1] = -abs(light[1])
    ambient = rng.uniform(0.45, 0.75)
    fov_x = rng.uniform(0.9, 1.3)
    fov = np.array([2 * np.arctan(np.tan(fov_x / 2) * height / width), fov_x], np.float32)
    focal = focal_lengths(fov, height, width)
    focus = rng.uniform(-0.45, 0.45, 3) * half_room
    baseline = np.exp(rng.uniform(*np.log(motion)))
    noise, gain = rng.uniform(0, 5), rng.uniform(0.85, 1.2)

    images, depths, extrinsics, first = [], [], [], None
    for _ in range(_ATTEMPTS):
        if first is None:
            position = rng.uniform(-1, 1, 3) * (half_room - 0.25)
            position[1] *= 0.5
        else:
            angle, reach = rng.uniform(0, 2 * np.pi), baseline * np.sqrt(rng.uniform(0.05, 1))
            position = first + reach * np.array([np.cos(angle), rng.uniform(-0.4, 0.4), np.sin(angle)])
        distance = np.linalg.norm(focus - position)
        if not _free(position, shapes, half_room) or distance < 1.0:
            continue
        target = focus + rng.normal(0, 0.08, 3) * distance
        extrinsic = _look_at(position, target, rng.normal(0, 0.05))
        _, depth = render(shapes, atlas, light, ambient, extrinsic, focal, height, width, samples=0)
        if depth.min() < _NEAREST:
            continue
        if first is not None and overlap(depth, extrinsic, depths[0], extrinsics[0], focal) < MIN_OVERLAP:
            continue
        colour, depth = render(shapes, atlas, light, ambient, extrinsic, focal, height, width)
        colour = colour * gain * rng.uniform(0.95, 1.05) + rng.normal(0, noise, colour.shape)
        first = position if first is None else first
        images.append(np.clip(colour, 0, 255).astype(np.uint8))
        depths.append(depth)
        extrinsics.append(extrinsic)
        if len(images) == views:
            return Views(np.stack(images), np.stack(depths), np.array(extrinsics, np.float32), fov)
    return None
