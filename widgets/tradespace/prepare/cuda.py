"""Precisions with CUDA kernels from torchao, where torchao is installed and the device has the hardware."""

from importlib.util import find_spec

import torch
from torch import nn

from tradespace.config import Config

# Precision -> torchao's configuration, and the lowest compute capability that has the arithmetic.
KERNELS = {
    "int8-dynamic": ("Int8DynamicActivationInt8WeightConfig", (8, 0)),
    "int4": ("Int4WeightOnlyConfig", (8, 0)),
    "fp8": ("Float8DynamicActivationFloat8WeightConfig", (8, 9)),
}
PRECISIONS_OF_CUDA_ALONE = ("fp8", "int4")


def unsupported(config: Config) -> str | None:
    """Why CUDA cannot run a quantized `config` here, or None."""
    if config.precision not in KERNELS:
        return f"on CUDA, torchao has kernels for {', '.join(KERNELS)}, not for {config.precision}"
    if find_spec("torchao") is None:
        return f"{config.precision} on CUDA needs torchao: pip install torchao"
    least, found = KERNELS[config.precision][1], torch.cuda.get_device_capability()
    if found < least:
        return (
            f"{config.precision} needs compute capability {least[0]}.{least[1]}; this device has {found[0]}.{found[1]}"
        )
    return None


def quantize(module: nn.Module, precision: str) -> None:
    """Quantize the linear layers of `module`, which is in bf16 on CUDA, in place with torchao."""
    import torchao.quantization as ao

    ao.quantize_(module, getattr(ao, KERNELS[precision][0])())
