"""For every test: Ctrl-C works in what it starts, and its random numbers are its own."""

import random
import signal
import sys
import zlib
from collections.abc import Iterator

import pytest

# Even where the tests run behind `nohup ... &`, whose shell has SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


def seed_all(name: str) -> int:
    """Seeds the global generators by a name. crc32, not hash(): the same in every process."""
    seed = zlib.crc32(name.encode())
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    return seed


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef, request: pytest.FixtureRequest) -> Iterator[None]:
    """A fixture that several tests share draws the same numbers whichever test needs it first."""
    if fixturedef.scope != "function":
        seed_all(f"{fixturedef.baseid}::{fixturedef.argname}[{getattr(request, 'param', '')}]")
    return (yield)


@pytest.fixture(autouse=True)
def own_seed(request: pytest.FixtureRequest) -> int:
    """A case draws the same numbers alone, in the whole suite and in any order."""
    request.node.own_seed = seed_all(request.node.nodeid)
    return request.node.own_seed


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed and hasattr(item, "own_seed"):
        report.sections.append(("seed", f"torch, numpy and random began this case with seed {item.own_seed}"))
    return report
