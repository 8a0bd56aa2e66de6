from types import SimpleNamespace

import pytest
import torch
from tradespace.measuring import machine as module
from tradespace.spinning import VARIABLE

ROME = {"avx2": True, "fma3": True}
GENOA = {**ROME, "avx512_f": True, "avx512_vnni": True, "avx512_bf16": True, "amx_tile": False}
SAPPHIRE_RAPIDS = {**GENOA, "avx_vnni": True, "avx512_fp16": True, "amx_tile": True, "amx_int8": True}
NEOVERSE_V1 = {"neon": True, "fp16_arith": True, "bf16": True, "i8mm": True, "dot": True, "sve": True, "sve2": False}


@pytest.fixture
def line(monkeypatch, tmp_path):
    """(what torch knows of the processor, /proc/cpuinfo or None) -> this machine's line."""
    for name in (*module.CAPS, VARIABLE):
        monkeypatch.delenv(name, raising=False)

    def made(known, cpuinfo="processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: another\n"):
        file = tmp_path / "cpuinfo"
        if cpuinfo is not None:
            file.write_text(cpuinfo)
        monkeypatch.setattr(module, "CPUINFO", file)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
        module._here.cache_clear()
        return module.machine()

    yield made
    module._here.cache_clear()


@pytest.fixture
def cores(monkeypatch):
    """(physical cores, threads, quota, threads visible) of a machine."""

    def have(physical, threads, quota, visible):
        monkeypatch.setattr(module, "physical_cores", lambda: physical)
        monkeypatch.setattr(module, "most_threads", lambda: threads)
        monkeypatch.setattr(module, "quota", lambda: quota)
        monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(visible)), raising=False)

    return have


def test_the_machine_is_one_line_that_names_no_host_and_no_user():
    import getpass
    import socket

    line = module.machine()
    assert "\n" not in line
    assert f"torch {torch.__version__}" in line
    assert socket.gethostname() not in line
    assert getpass.getuser() not in line.split()


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (ROME, "AMD EPYC (AVX2), "),
        (GENOA, "AMD EPYC (AVX-512, VNNI, BF16), "),
        (SAPPHIRE_RAPIDS, "AMD EPYC (AVX-512, VNNI, BF16, FP16, AMX), "),
        ({**ROME, "avx_vnni": True}, "AMD EPYC (AVX2, VNNI), "),
        (NEOVERSE_V1, "AMD EPYC (NEON, SVE, DOTPROD, I8MM, BF16, FP16), "),
        ({**NEOVERSE_V1, "sve2": True}, "AMD EPYC (NEON, SVE2, DOTPROD, I8MM, BF16, FP16), "),
        ({}, "AMD EPYC, "),
    ],
)
def test_processors_of_one_name_and_other_instructions_are_other_machines(line, known, told):
    assert line(known).startswith(told)


def test_the_instructions_are_those_that_torch_finds_here():
    told = module._instructions(torch.cpu.get_capabilities())
    assert ("AVX-512" in told) == torch.cpu._is_avx512_supported()
    assert ("AVX2" in told) == (torch.cpu._is_avx2_supported() and not torch.cpu._is_avx512_supported())
    assert "VNNI" in told or not torch.cpu._is_vnni_supported()
    assert ("AMX" in told) == torch.cpu._is_amx_tile_supported()


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({"cpu_name": "Apple M2"}, "Apple M2, "),
        ({"cpu_name": "Unknown"}, "some processor, "),
        ({"cpu_name": ""}, "some processor, "),
        ({}, "some processor, "),
    ],
)
@pytest.mark.parametrize("cpuinfo", [None, "", "processor\t: 0\nBogoMIPS\t: 50.00\n"])
def test_a_processor_that_the_system_does_not_name_is_named_as_well_as_can_be(line, monkeypatch, known, name, cpuinfo):
    monkeypatch.setattr(module.platform, "processor", lambda: "some processor")
    assert line(known, cpuinfo).startswith(name)


def test_memory_that_cannot_be_read_is_left_out(line, monkeypatch):
    def refuse():
        raise FileNotFoundError("/proc/meminfo")

    assert "GiB" in line(ROME)
    monkeypatch.setattr(module.psutil, "virtual_memory", refuse)
    assert "GiB" not in line(ROME)
    assert ", ," not in line(ROME)


@pytest.mark.parametrize("name", module.CAPS)
def test_a_variable_that_keeps_instructions_from_a_library_makes_another_machine(line, monkeypatch, name):
    plain = line(GENOA)
    monkeypatch.setenv(name, "AVX2")
    assert line(GENOA) == f"{plain}, {name}=AVX2"
    monkeypatch.setenv(name, "")
    assert line(GENOA) == plain


@pytest.mark.parametrize(
    ("have", "told"),
    [
        ((8, 16, float("inf"), 16), "8 cores (16 threads)"),
        ((1, 2, float("inf"), 2), "1 core (2 threads)"),
        ((1, 1, float("inf"), 1), "1 core (1 thread)"),
        ((2, 2, 16.0, 2), "2 cores (2 threads)"),
        ((1, 1, 0.5, 16), "1 core (0.5 of 16 threads)"),
        ((1, 1, 0.5, 1), "1 core (0.5 of 1 thread)"),
        ((3, 3, 2.5, 8), "3 cores (2.5 of 8 threads)"),
    ],
)
def test_cores_are_those_of_this_process_and_a_quota_is_told(line, cores, have, told):
    cores(*have)
    assert f", {told}, " in line(ROME)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"get_device_name": lambda: "NVIDIA H100 80GB HBM3"}, ", NVIDIA H100 80GB HBM3, "),
        ({}, f" GiB, {module.platform.system()}, "),
    ],
)
def test_an_accelerator_is_named_where_torch_names_it(line, monkeypatch, names, told):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda"))
    monkeypatch.setattr(torch, "get_device_module", lambda _: SimpleNamespace(**names))
    assert told in line(ROME)


def test_how_threads_wait_is_part_of_it(monkeypatch, line):
    assert line(ROME).endswith(", threads wait briefly")
    monkeypatch.setenv(VARIABLE, "spin")
    assert module.machine().endswith(", threads spin")
