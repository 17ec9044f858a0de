"""Which page a CPU's figures go to, from /proc/cpuinfo's text."""

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
