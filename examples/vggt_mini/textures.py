"""Textures of the rendered rooms: noise, cells, bricks, posters, and pieces of photographs."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .render import TEXTURE_SIZE as SIZE


def _palette(rng: np.random.Generator, count: int) -> np.ndarray:
    """count colours [count, 3] in 0..255, some palettes muted, some strong."""
    base = rng.uniform(20, 235, 3)
    spread = rng.choice([25, 70, 140])
    return np.clip(base + rng.uniform(-spread, spread, (count, 3)), 5, 250)


def _resized(values: np.ndarray, size: int = SIZE) -> np.ndarray:
    image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC), np.float32)


def _noise(rng: np.random.Generator) -> np.ndarray:
    """Octaves of coloured noise over a base colour."""
    out = np.tile(_palette(rng, 1)[0], (SIZE, SIZE, 1)).astype(np.float32)
    cells, strength = int(rng.integers(2, 6)), rng.uniform(60, 140)
    fade = rng.uniform(0.5, 0.85)
    while cells <= SIZE // 2:
        out += strength * (_resized(rng.uniform(0, 255, (cells, cells, 3))) / 127.5 - 1)
        cells, strength = cells * 2, strength * fade
    return out


def _cells(rng: np.random.Generator) -> np.ndarray:
    """Voronoi cells, each of its own colour."""
    count = int(rng.integers(8, 50))
    centres = rng.uniform(0, SIZE, (count, 2))
    y, x = np.mgrid[:SIZE, :SIZE]
    distance = (x[..., None] - centres[:, 0]) ** 2 + (y[..., None] - centres[:, 1]) ** 2
    return _palette(rng, count)[distance.argmin(-1)]


def _bricks(rng: np.random.Generator) -> np.ndarray:
    """Rows of tiles, shifted or not, every tile with a colour of its own."""
    across, down = int(rng.integers(2, 9)), int(rng.integers(2, 9))
    colours = _palette(rng, 1)[0] + rng.normal(0, rng.uniform(10, 60), (down, across + 1, 3))
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    row = (y * down).astype(int)
    column = (x * across + (row % 2) * 0.5 * rng.integers(0, 2)).astype(int)
    joint = ((y * down) % 1 < 0.06) | ((x * across + 0.0) % 1 < 0.04)
    out = colours[row, column]
    out[joint & bool(rng.integers(0, 2))] = _palette(rng, 1)[0]
    return out


def _poster(rng: np.random.Generator) -> np.ndarray:
    """Polygons, discs, bars and lines over a base colour."""
    colours = [tuple(int(c) for c in colour) for colour in rng.uniform(5, 250, (12, 3))]
    image = Image.new("RGB", (SIZE, SIZE), colours[0])
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(6, 25))):
        colour = colours[int(rng.integers(1, 12))]
        x, y = (int(c) for c in rng.integers(-10, SIZE, 2))
        w, h = (int(c) for c in rng.integers(6, SIZE // 2, 2))
        form = int(rng.integers(0, 4))
        if form == 0:
            draw.ellipse((x, y, x + w, y + h), fill=colour)
        elif form == 1:
            draw.rectangle((x, y, x + w, y + h), fill=colour)
        elif form == 2:
            points = rng.integers(0, 60, (4, 2)) + np.array([x, y])
            draw.polygon([tuple(int(c) for c in point) for point in points], fill=colour)
        else:
            draw.line((x, y, x + 2 * w, y + h), fill=colour, width=int(rng.integers(2, 8)))
    return np.asarray(image, np.float32)


def _photo(rng: np.random.Generator, photos: list[Image.Image]) -> np.ndarray:
    """A square piece of a photograph, its colours turned."""
    photo = photos[int(rng.integers(len(photos)))]
    side = int(rng.uniform(0.2, 1.0) * min(photo.size))
    x, y = int(rng.integers(0, photo.width - side + 1)), int(rng.integers(0, photo.height - side + 1))
    piece = photo.crop((x, y, x + side, y + side)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    values = np.asarray(piece, np.float32)[..., rng.permutation(3)]
    return values * rng.uniform(0.7, 1.2, 3) + rng.uniform(-20, 20, 3)


def load_photos(paths: list[Path]) -> list[Image.Image]:
    """Raises OSError with the path of a file that is not an image."""
    return [Image.open(path).convert("RGB") for path in paths]


def make_atlas(seed: int, count: int, photos: list[Image.Image]) -> np.ndarray:
    """[count, 128, 128, 3] uint8; without photographs all of them are procedural."""
    rng = np.random.default_rng(seed)
    makers = [_noise, _cells, _bricks, _poster]
    atlas = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for i in range(count):
        choice = int(rng.integers(0, 5 if photos else 4))
        values = makers[choice](rng) if choice < 4 else _photo(rng, photos)
        atlas[i] = np.clip(values, 0, 255)
    return atlas
