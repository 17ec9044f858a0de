"""Shared by the scripts of docs/vggt_mini.md: the scenes they run on, and its generated sections."""

import re
from pathlib import Path

import torch
from torch import Tensor

from .eth3d import find_scenes, read_scene

SCENES = Path(__file__).with_name("scenes") / "demo"


def load_scenes(folder: Path) -> list[tuple[str, Tensor]]:
    """(name, images [1, S, 3, H, W] in [0, 1]) of every scene in `folder`, by name. Raises ValueError, OSError."""
    scenes = []
    for path in find_scenes(folder):
        images = torch.from_numpy(read_scene(path).images).permute(0, 3, 1, 2).to(torch.float32) / 255
        scenes.append((path.name, images.contiguous().unsqueeze(0)))
    return scenes


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_section(page: Path, name: str, text: str) -> None:
    """Puts text between the page's comments `<!-- NAME: generated -->` and `<!-- NAME: end -->`."""
    begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
    before = page.read_text()
    if before.count(begin) != 1 or before.count(end) != 1:
        raise ValueError(f"{page}: expected the comments {begin} and {end} once each")
    section = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.S)
    page.write_text(section.sub(lambda _: f"{begin}\n{text.strip()}\n{end}", before))
