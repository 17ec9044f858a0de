"""Every kind of image file that is read, as vqt-eval feeds it to a model, against Pillow; and the kinds that are refused, with why."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy import ndarray
from PIL import Image
from safetensors.numpy import load_file
from torch import Tensor, nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2] / "eval")]
from image_files import (  # noqa: E402
    ALPHA,
    CMYK,
    COLOURS,
    GREY,
    GREY16,
    GREY_ALPHA,
    MULTIPLIED,
    PALETTE,
    RGB,
    RGB16,
    RGBA,
    RGBA16,
    SIDE,
    back,
    bmp,
    coded,
    grey,
    on_white,
    pam,
    pillow,
    png,
    pnm,
    run_length_bmp,
    scaled,
    tiff,
)  # fmt: skip
from run_eval import EVAL  # noqa: E402

FRAMES = {"save_all": True, "append_images": [Image.fromarray(255 - RGB)]}
JPEG = coded(RGB, "JPEG", quality=95)
CMYK_JPEG = coded(CMYK, "JPEG", quality=95)
YCCK_JPEG = CMYK_JPEG.replace(b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\2")
THUMBNAIL = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + coded(RGB[:8, :8], "JPEG")  # with an end mark of its own
FILM = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40 + b"\xff\xd9 tables \xff\xda more film" + bytes(range(200)) * 40
GREY1, GREY2, GREY4 = GREY >> 7, GREY >> 6, GREY >> 4
MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


def segment(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind, *divmod(len(content) + 2, 256)]) + content


def with_segments(jpeg: bytes, segments: bytes) -> bytes:
    return jpeg[:2] + segments + jpeg[2:]


# File name -> its bytes, and the pixels [H, W, 3] where they are not those that Pillow reads.
READ: dict[str, bytes | tuple[bytes, ndarray]] = {
    "baseline.jpg": JPEG,
    "grey.jpg": coded(GREY, "JPEG", quality=95),
    "444.jpg": coded(RGB, "JPEG", quality=95, subsampling=0),
    "progressive.jpg": coded(RGB, "JPEG", quality=95, progressive=True),
    "restart.jpg": coded(RGB, "JPEG", quality=95, restart_marker_blocks=1),
    "rgb.jpg": coded(RGB, "JPEG", quality=95, keep_rgb=True),
    "cmyk.jpg": CMYK_JPEG,
    "ycck.jpg": YCCK_JPEG,
    "motion.jpg": JPEG + FILM,
    "two.jpg": JPEG + coded(GREY, "JPEG"),
    "thumbnail.jpg": with_segments(JPEG, segment(0xE1, THUMBNAIL)),
    "fill.jpg": with_segments(JPEG, b"\xff\xff\xff" + segment(0xFE, b"a comment with \xff\xd9")),
    "named.png": JPEG,  # what a file holds decides
    "rgb.png": coded(RGB, "PNG"),
    "rgba.png": coded(RGBA, "PNG"),
    "grey.png": coded(GREY, "PNG"),
    "grey_alpha.png": coded(GREY_ALPHA, "PNG"),
    "grey1.png": png(GREY1, 1, 0),
    "grey2.png": png(GREY2, 2, 0),
    "grey4.png": png(GREY4, 4, 0),
    "grey16.png": (png(GREY16, 16, 0), grey(GREY)),  # Pillow clips at 255
    "rgb16.png": png(RGB16, 16, 2),
    "rgba16.png": png(RGBA16, 16, 6),
    "palette.png": coded(PALETTE, "PNG"),
    "palette1.png": coded(PALETTE.quantize(2), "PNG"),
    "palette_alpha.png": coded(PALETTE, "PNG", transparency=bytes(range(0, 256, 16))),
    "rgb_key.png": coded(RGB, "PNG", transparency=tuple(map(int, RGB[3, 4]))),
    "grey_key.png": coded(GREY, "PNG", transparency=50),
    "interlaced.png": png(RGB, 8, 2, interlaced=True),
    "interlaced16.png": png(RGB16, 16, 2, interlaced=True),
    "animated.png": coded(RGB, "PNG", **FRAMES),
    "rgb.bmp": coded(RGB, "BMP"),
    "grey.bmp": coded(GREY, "BMP"),
    "palette1.bmp": coded(Image.fromarray(GREY).convert("1"), "BMP"),
    "palette4.bmp": bmp(np.asarray(PALETTE), 4, colours=COLOURS),
    "palette8.bmp": coded(PALETTE, "BMP"),
    "run_length.bmp": run_length_bmp(),
    "top_down.bmp": bmp(RGB[..., ::-1], 24, top_down=True),
    "rgbx.bmp": bmp(np.dstack([RGB[..., ::-1], 0 * GREY]), 32),
    "rgba.bmp": bmp(RGBA[..., [2, 1, 0, 3]], 32, masks=MASKS),
    "lossy.webp": coded(RGB, "WEBP", quality=95),
    "lossless.webp": coded(RGB, "WEBP", lossless=True),
    "rgba.webp": coded(RGBA, "WEBP", lossless=True, exact=True),
    "rgba_lossy.webp": coded(RGBA, "WEBP", quality=95),
    "animated.webp": coded(RGB, "WEBP", lossless=True, **FRAMES),
    "animated_rgba.webp": coded(RGBA, "WEBP", quality=95, **FRAMES),
    "rgb.tif": tiff(RGB, 8, 2),
    "big_endian.tif": tiff(RGB16, 16, 2, order=">"),
    "big.tif": coded(RGB, "TIFF", big_tiff=True),
    "lzw.tif": coded(RGBA, "TIFF", compression="tiff_lzw"),
    "deflate.tif": coded(RGB, "TIFF", compression="tiff_adobe_deflate"),
    "packbits.tif": coded(RGB, "TIFF", compression="packbits"),
    "jpeg.tif": coded(RGB, "TIFF", compression="jpeg", quality=95),
    "group4.tif": coded(Image.fromarray(GREY).convert("1"), "TIFF", compression="group4"),
    "grey.tif": tiff(GREY, 8, 1),
    "grey1.tif": tiff(GREY1, 1, 1),
    "grey4.tif": tiff(GREY4, 4, 1),
    "grey16.tif": (tiff(GREY16, 16, 1), grey(GREY)),  # Pillow clips at 255
    "white_is_0.tif": tiff(255 - GREY, 8, 0),
    "white_is_0_of_16.tif": (tiff(65535 - GREY16, 16, 0), grey(GREY)),
    "rgb16.tif": tiff(RGB16, 16, 2),
    "planar.tif": tiff(RGB, 8, 2, planar=True),
    "planar16.tif": (tiff(RGB16, 16, 2, planar=True), RGB),  # Pillow mixes rows
    "palette.tif": coded(PALETTE, "TIFF"),
    "palette4.tif": tiff(np.asarray(PALETTE), 4, 3, colours=COLOURS),
    "alpha.tif": tiff(RGBA, 8, 2, extra=2),
    "alpha16.tif": tiff(RGBA16, 16, 2, extra=2),
    "alpha_planar.tif": tiff(RGBA, 8, 2, extra=2, planar=True),
    "multiplied.tif": tiff(MULTIPLIED, 8, 2, extra=1),
    "multiplied16.tif": (tiff(MULTIPLIED.astype("u2") * 257, 16, 2, extra=1), on_white(RGB, ALPHA)),
    "unknown_extra.tif": tiff(RGBA, 8, 2, extra=0),
    "undeclared.tif": tiff(RGBA, 8, 2),
    "grey_alpha.tif": tiff(GREY_ALPHA, 8, 1, extra=2),
    "cmyk.tif": coded(CMYK, "TIFF"),
    "pages.tif": coded(RGB, "TIFF", **FRAMES),
    **{f"orientation{i}.tif": tiff(RGB, 8, 2, orientation=i) for i in range(2, 9)},
    "ascii.pbm": pnm("P1", GREY1, None),
    "binary.pbm": pnm("P4", GREY1, None),
    **{f"{kind}_{maxval}.pgm": (pnm(kind, scaled(GREY, maxval), maxval), grey(back(GREY, maxval)))
       for kind in ("P2", "P5") for maxval in (1, 100, 255, 4095, 65535)},
    **{f"{kind}_{maxval}.ppm": pnm(kind, scaled(RGB, maxval), maxval) for kind in ("P3", "P6") for maxval in (1, 100, 255, 4095, 65535)},
    "black_and_white.pam": (pam(GREY1, 1, "BLACKANDWHITE"), grey(GREY1 * 255)),
    "grey.pam": (pam(scaled(GREY, 1023), 1023, "GRAYSCALE"), grey(back(GREY, 1023))),
    "grey_alpha.pam": (pam(GREY_ALPHA, 255, "GRAYSCALE_ALPHA"), grey(GREY)),
    "rgb.pam": (pam(RGB, 255, "RGB"), RGB),
    "rgba.pam": (pam(scaled(RGBA, 4095), 4095, "RGB_ALPHA"), on_white(RGB, ALPHA)),
}  # fmt: skip

SCAN = JPEG.index(b"\xff\xda")  # its data follow
LATE_SCAN = (late := coded(RGB, "JPEG", quality=95, progressive=True)).rindex(b"\xff\xda")
CUT, OTHER = "cut short", "convert it, to PNG for example"
RESTART = coded(RGB, "JPEG", quality=95, restart_marker_blocks=1)
# File name -> its bytes, and words of the error.
REFUSED: dict[str, tuple[bytes, str]] = {
    "cut_in_the_scan.jpg": (JPEG[: (SCAN + len(JPEG)) // 2], CUT),
    "no_end.jpg": (JPEG[:-2], CUT),
    "cut_with_an_end.jpg": (JPEG[: (SCAN + len(JPEG)) // 2] + b"\xff\xd9", CUT),
    "cut_before_the_scan.jpg": (JPEG[:SCAN], CUT),
    "cut_before_a_late_scan.jpg": (late[:LATE_SCAN], CUT),
    "cut_in_a_late_scan.jpg": (late[: (LATE_SCAN + len(late)) // 2], CUT),
    "cut_between_restarts.jpg": (RESTART[: RESTART.index(b"\xff\xd2")], CUT),
    "cut_with_a_thumbnail.jpg": (with_segments(JPEG, segment(0xE1, THUMBNAIL))[:-300], CUT),
    "twelve_bits.jpg": (JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "data precision 12"),
    "large.jpg": (JPEG.replace(b"\0\x1c\0\x1c\x03", b"\xff\xdc\xff\xdc\x03"), "a JPEG of 65500 x 65500 pixels; expected at most 2^30"),
    "cut.png": (coded(RGB, "PNG")[:-30], CUT),
    "cut.webp": (coded(RGB, "WEBP", quality=95)[:-30], CUT),
    "cut.tif": (coded(RGB, "TIFF", compression="tiff_lzw")[:-400], CUT),
    "cut.ppm": (pnm("P6", RGB, 255)[:-1], "expected 2352 bytes of pixels, got 2351"),
    "cut_ascii.pgm": (pnm("P2", GREY, 255)[:-300], "pixel: expected a number, got"),
    "cut.pbm": (pnm("P1", GREY1, None)[:-300], CUT),
    "large.pgm": (b"P5 65536 65536 255\n", "a PNM file of 65536 x 65536 pixels"),
    "maxval.pgm": (pnm("P5", GREY, 255).replace(b"255\n", b"65536\n"), "maxval: expected 1 to 65535, got 65536"),
    "cmyk.pam": (pam(RGBA, 255, "CMYK"), '4 channels "CMYK"; expected black and white, grey or RGB'),
    "bits16.bmp": (bmp((GREY.astype("<u2") << 7), 16), "a BMP of 16 bits per pixel is not read"),
    "float.tif": (tiff((GREY / 255).astype("f4"), 32, 1, sample_format=3), "a TIFF of floating point values"),
    "signed.tif": (tiff(GREY.astype("i2"), 16, 1, sample_format=2), "a TIFF of signed values"),
    "integers.tif": (tiff(GREY.astype("u4"), 32, 1), "a TIFF with 32 bits per sample"),
    "cmyk16.tif": (tiff(np.asarray(CMYK).astype("u2") * 257, 16, 5), "a TIFF with 16 bits per sample and photometric interpretation 5"),
    "lab.tif": (tiff(RGB, 8, 8), "photometric interpretation 8"),
    "gif.png": (coded(PALETTE, "GIF"), f"holds GIF, which is not read; expected one of JPEG, PNG, BMP, WebP, TIFF, PBM, PGM, PPM and PAM: {OTHER}"),
    "avif.jpg": (coded(RGB, "AVIF"), "holds AVIF, which is not read"),
    "heic.jpg": (b"\0\0\0\x18ftypheic" + bytes(100), "holds HEIC, which is not read"),
    "jpeg2000.jpg": (coded(RGB, "JPEG2000"), "holds JPEG 2000, which is not read"),
    "float.ppm": (b"PF\n28 28\n-1.0\n" + RGB.astype("<f4").tobytes(), "holds PFM, which is not read"),
    "hdr.png": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 28 +X 28\n" + bytes(28 * 28 * 4), "holds Radiance HDR, which is not read"),
    "exr.png": (b"v/1\x01" + bytes(100), "holds OpenEXR, which is not read"),
    "text.jpg": (b"<html>not found</html>", "not an image that can be decoded"),
    "empty.png": (b"", "not an image that can be decoded"),
}  # fmt: skip


class Fed(nn.Module):
    """Returns the images that it is fed."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"images": x + 0 * self.b(self.a(x.flatten()[:8])).sum()}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "fed.pt"
    torch.jit.script(Fed().eval()).save(str(path))
    return path


def evaluate(model: Path, folder: Path, *flags: object) -> subprocess.CompletedProcess:
    command = [EVAL, "--reference", model, "--image-folder", folder, "--output-dir", folder.parent / "results", "--image-size", SIDE,
               "--input-layout", "bchw", "--preset", "prototype", "--warmup", 0, "--runs", 1, "--quiet", *flags]  # fmt: skip
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)


def test_every_kind_gives_the_pixels_that_pillow_reads(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    due = {}
    for name, case in READ.items():
        data, pixels = case if isinstance(case, tuple) else (case, pillow(case))
        (folder / name).write_bytes(data)
        due[name] = pixels.astype(int)
    (folder / "holiday.heic").write_bytes(b"left out")
    done = evaluate(model, folder, "--save-reference", tmp_path / "fed.safetensors", "--depth-frames", 0, "--cloud-points", 0)
    assert done.returncode == 0, done.stderr
    fed = next(iter(load_file(tmp_path / "fed.safetensors").values())).reshape(len(READ), 3, SIDE, SIDE)
    off = {name: int(np.abs(np.rint(image * 255).transpose(1, 2, 0) - due[name]).max()) for name, image in zip(sorted(READ), fed)}
    assert {name: difference for name, difference in off.items() if difference > 1} == {}
    assert "only the first page or frame is used of 4 images (animated.png, ...)" in done.stderr
    assert f"1 image (holiday.heic) of {folder} left out, whose kind is not read; convert them" in done.stderr


@pytest.mark.parametrize("name", REFUSED)
def test_a_kind_that_is_not_read_or_a_damaged_file_is_named_with_the_reason(name: str, model: Path, tmp_path: Path) -> None:
    data, reason = REFUSED[name]
    path = tmp_path / "images" / name
    path.parent.mkdir()
    path.write_bytes(data)
    done = evaluate(model, path.parent)
    assert (done.returncode, done.stdout) == (1, "")
    message = done.stderr.splitlines()[-1]
    assert message.startswith(f"vqt-eval: error: {path}: ") and reason in message, done.stderr


def test_a_folder_of_other_kinds_says_what_to_do(model: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("IMG_1.HEIC", "IMG_2.HEIC"):
        (tmp_path / "images" / name).write_bytes(b"")
    done = evaluate(model, tmp_path / "images")
    assert done.returncode == 1
    assert "no images in it (jpg, " in done.stderr
    assert "; 2 files of other kinds, such as IMG_1.HEIC: convert them, to PNG for example" in done.stderr
