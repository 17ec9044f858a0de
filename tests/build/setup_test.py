"""scripts/setup on machines that lack something: it names what is missing and stops."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def fake_command(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def run_setup(folder: Path) -> subprocess.CompletedProcess:
    env = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}")
    return subprocess.run([ROOT / "scripts/setup"], env=env, capture_output=True, text=True, timeout=60)


def test_without_root_the_missing_packages_are_named(tmp_path: Path) -> None:
    fake_command(tmp_path, "dpkg-query", 'case "$3" in ninja-build|ccache) exit 1;; *) echo "install ok installed";; esac')
    fake_command(tmp_path, "id", "echo 1000")
    done = run_setup(tmp_path)
    assert done.returncode == 1
    assert "these Debian packages are missing: ninja-build ccache\n" in done.stderr
    assert "as root: apt-get install ninja-build ccache\n" in done.stderr


def test_without_apt_the_missing_packages_are_named(tmp_path: Path) -> None:
    fake_command(tmp_path, "dpkg-query", 'test "$3" != cmake && echo "install ok installed"')
    fake_command(tmp_path, "id", "echo 0")
    # A PATH of links to every command but apt-get.
    for folder in os.environ["PATH"].split(":"):
        for command in Path(folder).iterdir() if Path(folder).is_dir() else []:
            link = tmp_path / command.name
            if command.name != "apt-get" and not link.exists() and not link.is_symlink():
                link.symlink_to(command)
    done = subprocess.run([ROOT / "scripts/setup"], env=dict(os.environ, PATH=str(tmp_path)), capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 1
    assert "these Debian packages are missing: cmake\n" in done.stderr


def test_with_everything_there_nothing_is_installed(tmp_path: Path) -> None:
    fake_command(tmp_path, "dpkg-query", 'echo "install ok installed"')
    fake_command(tmp_path, "apt-get", "echo apt-get was called >&2; exit 9")
    done = run_setup(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Debian packages: all there" in done.stdout
    assert "up to date" in done.stdout
