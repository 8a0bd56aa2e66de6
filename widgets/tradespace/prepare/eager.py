"""PyTorch as it comes: one kernel launched after another by Python."""

import warnings

import torch
from torch import Tensor, nn

from tradespace.config import Config
from tradespace.errors import Unsupported

FLOATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = (*FLOATS, "int8", "int8-dynamic")
# The other CPU engines of torch 2.13 warn hundreds of times and have twice oneDNN's error.
INT8_ENGINE = "onednn"
CALIBRATION_ITEMS, CALIBRATION_BATCH = 500, 100


def unsupported(config: Config, calibrated: bool) -> str | None:
    """Why eager PyTorch cannot run `config` here, or None."""
    if config.precision in FLOATS:
        return None
    if config.precision not in PRECISIONS:
        return f"eager PyTorch has no {config.precision} kernels in this release"
    if config.device != "cpu":
        return f"eager PyTorch has {config.precision} kernels for the CPU alone, not for {config.device}"
    if INT8_ENGINE not in torch.backends.quantized.supported_engines:
        return f"this build of PyTorch has no {INT8_ENGINE} engine, which runs int8 on a CPU"
    if config.precision == "int8" and not calibrated:
        return "static int8 learns its ranges from calibration inputs, and this task has none"
    return None


def prepare(model: nn.Module, config: Config, calibration: Tensor | None) -> nn.Module:
    """`model` at the precision of `config`, on its device."""
    if config.precision in FLOATS:
        return InFloat(model, FLOATS[config.precision], config.device).eval()
    torch.backends.quantized.engine = INT8_ENGINE
    with warnings.catch_warnings():
        # torch.ao.quantization is deprecated in favour of torchao, whose CPU kernels do not load beside this torch.
        warnings.simplefilter("ignore")
        if config.precision == "int8-dynamic":
            return _dynamic_int8(model)
        assert calibration is not None, "unsupported() lets no int8 through without calibration inputs"
        return _static_int8(model, calibration)


class InFloat(nn.Module):
    """A module that computes in one floating-point type; its inputs and outputs stay fp32.

    Images are laid out channels last, as PyTorch's own guide to CPU speed advises: bf16 convolutions need it.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype, device: str) -> None:
        super().__init__()
        model = model.to(device, dtype)
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        if x.is_floating_point():
            x = x.to(self.dtype)
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        outputs: Tensor = self.model(x)
        return outputs.float()


def _dynamic_int8(model: nn.Module) -> nn.Module:
    """int8 weights; activations are rounded as they come, in linear and recurrent layers alone."""
    layers = {nn.Linear, nn.LSTM, nn.GRU}
    if not any(isinstance(module, tuple(layers)) for module in model.modules()):
        raise Unsupported("int8-dynamic quantizes linear and recurrent layers, and this model has none")
    quantized: nn.Module = torch.ao.quantization.quantize_dynamic(model, layers, torch.qint8)
    return quantized


def _static_int8(model: nn.Module, calibration: Tensor) -> nn.Module:
    """int8 weights and activations, with ranges observed on the calibration inputs (Jacob et al., 2018)."""
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    mapping = get_default_qconfig_mapping(INT8_ENGINE)
    observed = prepare_fx(model, mapping, example_inputs=(calibration[:1],))
    with torch.inference_mode():
        for batch in calibration[:CALIBRATION_ITEMS].split(CALIBRATION_BATCH):
            observed(batch.clone())  # a model that works in place would change the next one's inputs
    return convert_fx(observed)
