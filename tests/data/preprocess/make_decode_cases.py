"""Writes decode_*: pictures whose decoding has traps, and beside each what Pillow (the official loader's way) makes of it.

    python make_decode_cases.py        # in this folder; needs numpy and Pillow
"""

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
RNG = np.random.default_rng(7)


def loaded(path: Path) -> Image.Image:
    image = Image.open(path)
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def main() -> None:
    Image.fromarray(noise(9, 12, 4)).save(HERE / "decode_rgba.png")
    Image.fromarray(noise(9, 12, 2), "LA").save(HERE / "decode_grey_alpha.png")
    Image.fromarray(noise(9, 12)).save(HERE / "decode_grey.png")
    palette = Image.fromarray(noise(9, 12) % 16, "P")
    palette.putpalette(noise(48).tobytes())
    palette.save(HERE / "decode_palette_transparent.png", transparency=bytes([0, 128, 255] * 5))
    ramp = np.linspace(0, 255, 16, dtype=np.uint8)
    photo = np.stack([np.tile(ramp, (24, 1)), np.tile(ramp[:, None], (1, 16)).repeat(2, 0)[:24], np.full((24, 16), 90)], -1)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees: not applied
    Image.fromarray(photo.astype(np.uint8)).save(HERE / "decode_exif.jpg", quality=95, exif=exif)
    Image.fromarray(noise(9, 12, 4)).save(HERE / "decode_rgba.webp", lossless=True, exact=True)
    for path in sorted(HERE.glob("decode_*")):
        if ".expected" not in path.name:
            loaded(path).save(HERE / f"{path.name}.expected.png")


if __name__ == "__main__":
    main()
