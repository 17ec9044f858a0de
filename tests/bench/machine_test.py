"""Which page a CPU's figures go to, from /proc/cpuinfo's text."""

import os

import pytest

from bench import machine


def cpuinfo(vendor: str, family: int, model: int, name: str, flags: str = "sse2 avx2") -> str:
    one = (
        f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\n"
        f"model name\t: {name}\nflags\t\t: {flags}\n"
    )
    return one + "\n" + one.replace("processor\t: 0", "processor\t: 1").replace(f": {model}\n", ": 255\n", 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (cpuinfo("AuthenticAMD", 25, 1, "AMD EPYC"), "amd-epyc-zen3"),
        (cpuinfo("AuthenticAMD", 25, 17, "AMD EPYC 9R14 96-Core Processor"), "amd-epyc-zen4"),
        (cpuinfo("AuthenticAMD", 25, 160, "AMD EPYC 9754"), "amd-epyc-zen4"),
        (cpuinfo("AuthenticAMD", 25, 97, "AMD Ryzen 9 7950X"), "amd-ryzen-zen4"),
        (cpuinfo("AuthenticAMD", 23, 49, "AMD EPYC 7R32"), "amd-epyc-zen2"),
        (cpuinfo("AuthenticAMD", 26, 2, "AMD EPYC 9755"), "amd-epyc-zen5"),
        (cpuinfo("AuthenticAMD", 31, 3, "AMD EPYC"), "amd-epyc-family-31-model-3"),
        (cpuinfo("GenuineIntel", 6, 143, "Intel(R) Xeon(R) Processor @ 2.70GHz"), "intel-xeon-sapphire-rapids"),
        (cpuinfo("GenuineIntel", 6, 207, "INTEL(R) XEON(R) PLATINUM 8581C"), "intel-xeon-emerald-rapids"),
        (cpuinfo("GenuineIntel", 6, 85, "Intel(R) Xeon(R) CPU", "avx512f"), "intel-xeon-skylake"),
        (cpuinfo("GenuineIntel", 6, 85, "Intel(R) Xeon(R) CPU", "avx512f avx512_vnni"), "intel-xeon-cascade-lake"),
        (cpuinfo("GenuineIntel", 6, 201, "Intel(R) Xeon(R) CPU"), "intel-xeon-model-201"),
        ("processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n", machine.platform.machine().replace("_", "-")),
    ],
)
def test_slug_names_the_kind_of_cpu(text: str, expected: str) -> None:
    assert machine.slug(text) == expected


def test_what_others_used_is_neither_own_nor_idle() -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice
    stat = (
        "cpu 1 2 3 4 5 6 7 8 9 0\ncpu0 400 100 100 2000 300 30 40 50 300 0\ncpu1 600 100 200 2000 200 30 30 30 600 0\n"
    )
    later = (
        "cpu 9 9 9 9 9 9 9 9 9 9\ncpu0 500 120 110 2040 310 35 45 60 999 0\ncpu1 600 100 200 2200 200 30 30 30 999 0\n"
    )
    ticks = os.sysconf("SC_CLK_TCK")
    before = machine.cpu_times(stat, [0, 1], own=5.0)
    assert before == (6210 / ticks, 1710 / ticks - 5.0)
    # 150 of 400 ticks were used, 110 of them by this process
    after = machine.cpu_times(later, [0, 1], own=5.0 + 110 / ticks)
    assert machine.used_by_others(before, after) == pytest.approx(0.1)
    assert machine.used_by_others(before, before) == 0  # too close to say
    idle = machine.cpu_times(stat, [1], own=0), machine.cpu_times(later, [1], own=0.5)
    assert machine.used_by_others(*idle) == 0  # ticks are coarse: never below 0
    assert machine.cpu_times_now()[0] > 0
