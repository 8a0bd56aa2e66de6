"""PyTorch as it comes: one kernel launched after another by Python."""

import io
import warnings

import torch
from torch import Tensor, nn
from torch.ao.nn import quantized
from torch.utils.flop_counter import FlopCounterMode

from tradespace.config import Config
from tradespace.errors import Unsupported
from tradespace.prepare import cuda, weights
from tradespace.prepare.fold import fold
from tradespace.prepare.session import Converted, Layer, Session
from tradespace.prepare.source import Source

FLOATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WEIGHTS = tuple(f"w{bits}{kind}" for kind in ("", "-tensor") for bits in (8, 6, 5, 4, 3, 2))
PRECISIONS = (*FLOATS, "int8", "int8-dynamic", *WEIGHTS, "fp8", "int4")
# The other CPU engines of torch 2.13 warn hundreds of times and have twice oneDNN's error.
INT8_ENGINE = "onednn"
LOOKED_UP = (nn.Embedding, nn.EmbeddingBag, quantized.Embedding, quantized.EmbeddingBag)


def unsupported(config: Config, calibrated: bool) -> str | None:
    """Why eager PyTorch cannot run `config` here, or None."""
    if config.precision in FLOATS or config.precision in WEIGHTS:
        return None
    if config.device == "cuda":
        return cuda.unsupported(config)
    if config.precision in cuda.PRECISIONS_OF_CUDA_ALONE:
        return f"{config.precision} has kernels for CUDA alone, not for {config.device}"
    if config.device != "cpu":
        return f"eager PyTorch has {config.precision} kernels for the CPU and CUDA alone, not for {config.device}"
    if INT8_ENGINE not in torch.backends.quantized.supported_engines:
        return f"this build of PyTorch has no {INT8_ENGINE} engine, which runs int8 on a CPU"
    if config.precision == "int8" and not calibrated:
        return "static int8 learns its ranges from calibration inputs, and this task has none"
    return None


def untimed(config: Config) -> str | None:
    """Why the accuracy of `config` can be told but no time of it, or None."""
    if config.precision not in WEIGHTS:
        return None
    return (
        f"this release has no {config.precision} kernel to time; "
        "its accuracy is that of fp32 arithmetic on weights rounded as it says"
    )


def convert(source: Source, config: Config) -> Converted:
    """The model of `source` at the precision of `config`, on its device."""
    if config.precision in WEIGHTS:
        module = fold(source.module())
        model_mb = weights.round_weights(module, config.precision)
        return _converted(InFloat(module, torch.float32, config.device), source.example, config, model_mb)
    if config.precision in FLOATS:
        module = InFloat(fold(source.module()), FLOATS[config.precision], config.device)
    elif config.device == "cuda":
        module = cuda.quantized(source.module(), config.precision)
    elif config.precision == "int8-dynamic":
        module = _dynamic_int8(source.module())
    else:
        module = _static_int8(source)
    return _converted(module, source.example, config, _saved_mb(module))


def _converted(module: nn.Module, example: Tensor, config: Config, model_mb: float) -> Converted:
    example = example.to(config.device)

    def layers() -> list[Layer]:
        return layers_of(module, example)

    # Threads are torch's own setting, and any batch size will do.
    session = Session(module.eval(), layers)
    return Converted(lambda threads, batch_size: session, model_mb)


class InFloat(nn.Module):
    """A module that computes in one floating-point type; its inputs and outputs stay fp32.

    Images are laid out channels last, as PyTorch's own guide to CPU speed advises: bf16 convolutions need it, and
    fp32 ones gain by it at every batch size.
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
    torch.backends.quantized.engine = INT8_ENGINE
    with warnings.catch_warnings():
        # torch.ao.quantization is deprecated in favour of torchao, whose CPU kernels do not load beside this torch.
        warnings.simplefilter("ignore")
        converted: nn.Module = torch.ao.quantization.quantize_dynamic(model, layers, torch.qint8)
    return converted


def _static_int8(source: Source) -> nn.Module:
    """int8 weights and activations, with ranges observed on the calibration inputs (Jacob et al., 2018)."""
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    torch.backends.quantized.engine = INT8_ENGINE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapping = get_default_qconfig_mapping(INT8_ENGINE)
        try:
            observed = prepare_fx(source.module(), mapping, example_inputs=(source.example,))
        except Exception as error:
            raise Unsupported(f"eager int8 traces the model with torch.fx, which failed: {error}") from error
        with torch.inference_mode():
            for batch in source.calibration:
                observed(batch.clone())  # a model that works in place would change the next one's inputs
        return convert_fx(observed)


def layers_of(module: nn.Module, example: Tensor) -> list[Layer]:
    """The layers of `module` that multiply, by the type of their weights, then its products of activations, as one."""
    layers: list[Layer] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        weight = _weight(layer)
        assert weight is not None, "only layers with weights are watched"
        layers.append(Layer(type(layer).__name__, _name(weight.dtype), outputs[0].numel() * weight[0].numel()))

    watched = [layer.register_forward_hook(note) for layer in module.modules() if _weight(layer) is not None]
    # The counter sees the arithmetic of floating-point kernels alone.
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        outputs = module(example)
    for hook in watched:
        hook.remove()
    activations = counter.get_total_flops() // 2 - sum(layer.macs for layer in layers if layer.precision in FLOATS)
    if activations > 0:
        dtype = next((_name(weight.dtype) for weight in module.parameters()), _name(outputs.dtype))
        layers.append(Layer("products of activations", dtype, activations))
    return layers


def _weight(layer: nn.Module) -> Tensor | None:
    """The weight of a layer that multiplies by it: of two axes or more, and not looked up by row."""
    weight = getattr(layer, "weight", None)
    if isinstance(layer, LOOKED_UP) or weight is None:
        return None
    if callable(weight):  # in torch's quantized layers it is a method
        weight = weight()
    return weight if isinstance(weight, Tensor) and weight.ndim > 1 else None


def _name(dtype: torch.dtype) -> str:
    named = {value: name for name, value in FLOATS.items()} | {torch.qint8: "int8"}
    return named.get(dtype, str(dtype).removeprefix("torch."))


def _saved_mb(module: nn.Module) -> float:
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    return buffer.tell() / 1e6
