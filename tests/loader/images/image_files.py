"""Small image files of many kinds, written by Pillow or byte by byte, each with the pixels that it should give.

Where Pillow reads a file otherwise than its format says (16-bit grey, planar 16-bit TIFF), or not at all (PAM), the pixels are worked
out here.
"""

import io
import struct
import zlib

import numpy as np
from numpy import ndarray
from PIL import Image

SIDE = 28  # two patches: an image of this size is fed to a model as it is
_Y, _X = np.mgrid[0:SIDE, 0:SIDE]
RGB = np.stack([_X * 9, _Y * 9, 255 - _X * 4 - _Y * 4], -1).astype("u1")
GREY = (_X * 5 + _Y * 4).astype("u1")
ALPHA = (255 - _X * 6 - _Y * 3).clip(0, 255).astype("u1")
RGBA, GREY_ALPHA = np.dstack([RGB, ALPHA]), np.dstack([GREY, ALPHA])
LOW = (_X * 7).astype("u2")  # low bytes of 16 bits
RGB16, GREY16, ALPHA16 = RGB.astype("u2") << 8 | LOW[..., None], GREY.astype("u2") << 8 | LOW, ALPHA.astype("u2") * 257
RGBA16 = np.dstack([RGB16, ALPHA16])
MULTIPLIED = np.dstack([(RGB.astype(int) * ALPHA[..., None] + 127) // 255, ALPHA]).astype("u1")
PALETTE = Image.fromarray(RGB).quantize(16)
COLOURS = np.array(PALETTE.getpalette()[:48]).reshape(16, 3)
CMYK = Image.fromarray(np.dstack([RGB, GREY]), "CMYK")


def coded(image: ndarray | Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(data, kind, **options)
    return data.getvalue()


def pillow(data: bytes) -> ndarray:
    """[H, W, 3] as VGGT's loader has it: RGBA on white, everything else converted."""
    image = Image.open(io.BytesIO(data))
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return np.asarray(image.convert("RGB"))


def grey(shades: ndarray) -> ndarray:
    return np.stack([shades] * 3, -1)


def on_white(colours: ndarray, alpha: ndarray) -> ndarray:
    share = alpha[..., None] / 255
    return np.rint(colours * share + 255 * (1 - share))


def packed(row: ndarray, bits: int) -> bytes:
    """Samples of 1 to 16 bits, high bits first, padded to a byte."""
    if bits == 16:
        return row.astype(">u2").tobytes()
    shifts = np.arange(bits - 1, -1, -1)
    return np.packbits((row.reshape(-1, 1) >> shifts & 1).astype("u1").reshape(-1)).tobytes()


# ---- PNG


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples: ndarray, bits: int, colour_type: int, interlaced: bool = False) -> bytes:
    seven = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for top, left, down, right in seven if interlaced else [(0, 0, 1, 1)]:
        rows += b"".join(b"\0" + packed(row, bits) for row in samples[top::down, left::right])
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, colour_type, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


# ---- TIFF


def tiff(samples: ndarray, bits: int, photometric: int, *, extra: int | None = None, order: str = "<", planar: bool = False,
         sample_format: int = 1, colours: ndarray | None = None, orientation: int = 1) -> bytes:  # fmt: skip
    """Without compression; extra: what the last sample is (0 unknown, 1 colours are multiplied by it, 2 alpha)."""
    height, width = samples.shape[:2]
    planes = [samples[..., c] for c in range(samples.shape[2])] if planar else [samples]
    if bits < 8:
        strips = [b"".join(packed(row, bits) for row in plane) for plane in planes]
    else:
        strips = [plane.astype(plane.dtype.newbyteorder(order)).tobytes() for plane in planes]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    entries = {256: ("I", [width]), 257: ("I", [height]), 258: ("H", [bits] * channels), 259: ("H", [1]), 262: ("H", [photometric]),
               273: ("I", [0] * len(strips)), 274: ("H", [orientation]), 277: ("H", [channels]), 278: ("I", [height]),
               279: ("I", [len(s) for s in strips]), 284: ("H", [1 + planar]), 339: ("H", [sample_format] * channels)}  # fmt: skip
    if extra is not None:
        entries[338] = ("H", [extra])
    if colours is not None:
        entries[320] = ("H", [int(c) * 257 for c in colours.T.reshape(-1)])
    sizes = {tag: struct.calcsize(kind) * len(values) for tag, (kind, values) in entries.items()}
    after = 8 + 2 + 12 * len(entries) + 4  # the directory; then values that do not fit into their entry, then pixels
    first = after + sum(size for size in sizes.values() if size > 4)
    entries[273] = ("I", [first + sum(map(len, strips[:i])) for i in range(len(strips))])
    directory, values = struct.pack(order + "H", len(entries)), b""
    for tag, (kind, numbers) in sorted(entries.items()):
        content = struct.pack(order + kind * len(numbers), *numbers)
        directory += struct.pack(order + "HHI", tag, {"H": 3, "I": 4}[kind], len(numbers))
        if len(content) > 4:
            directory += struct.pack(order + "I", after + len(values))
            values += content
        else:
            directory += content.ljust(4, b"\0")
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    return start + directory + bytes(4) + values + b"".join(strips)


# ---- BMP


def bmp(samples: ndarray, bits: int, *, colours: ndarray | None = None, masks: tuple[int, ...] = (), top_down: bool = False) -> bytes:
    rows = [packed(row, bits) if bits < 8 else row.tobytes() for row in (samples if top_down else samples[::-1])]
    data = b"".join(row + bytes(-len(row) % 4) for row in rows)
    table = b"" if colours is None else b"".join(bytes([*c[::-1], 0]) for c in colours.astype("u1"))
    height, width = samples.shape[:2]
    return _bmp(width, -height if top_down else height, bits, 3 if masks else 0, data, table, masks)


def _bmp(width: int, height: int, bits: int, compression: int, data: bytes, table: bytes, masks: tuple[int, ...] = ()) -> bytes:
    size = 108 if len(masks) == 4 else 40  # with alpha: Windows 4
    info = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, compression, len(data), 2835, 2835, len(table) // 4, 0)
    info = (info + struct.pack(f"<{len(masks)}I", *masks)).ljust(size, b"\0")
    start = 14 + len(info) + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + table + data


def run_length_bmp() -> bytes:
    runs = b"".join(b"".join(bytes([1, v]) for v in row) + b"\0\0" for row in np.asarray(PALETTE)[::-1]) + b"\0\1"
    return _bmp(SIDE, SIDE, 8, 1, runs, b"".join(bytes([*c[::-1], 0]) for c in COLOURS.astype("u1")))


# ---- Netpbm


def pnm(kind: str, samples: ndarray, maxval: int | None) -> bytes:
    head = f"{kind}\n# a comment: 3 4\n{SIDE} # width\n{SIDE}\n" + (f"{maxval}\n" if maxval else "")
    if kind in ("P1", "P2", "P3"):
        rows = [" ".join(map(str, row.reshape(-1))) for row in samples]
        return (head + "\n# half of it\n".join(["\n".join(rows[:9]), "\n".join(rows[9:])]) + "\n").encode()
    if kind == "P4":
        return head.encode() + b"".join(packed(row, 1) for row in samples)
    return head.encode() + samples.astype(">u2" if maxval > 255 else "u1").tobytes()


def pam(samples: ndarray, maxval: int, kind: str) -> bytes:
    depth = 1 if samples.ndim == 2 else samples.shape[2]
    head = f"P7\n# made by hand\nWIDTH {SIDE}\nHEIGHT {SIDE}\nDEPTH {depth}\nMAXVAL {maxval}\nTUPLTYPE {kind}\nENDHDR\n"
    return head.encode() + samples.astype(">u2" if maxval > 255 else "u1").tobytes()


def scaled(samples: ndarray, maxval: int) -> ndarray:
    """0..255 -> 0..maxval."""
    return np.rint(samples * (maxval / 255)).astype(int)


def back(samples: ndarray, maxval: int) -> ndarray:
    return np.rint(scaled(samples, maxval) * (255 / maxval))
