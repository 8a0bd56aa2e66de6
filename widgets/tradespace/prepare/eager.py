"""Eager PyTorch: the module as it was given. Python launches one kernel after another."""

import copy
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.nn import quantized
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.conv import _ConvNd
from torch.utils.flop_counter import FlopCounterMode

from tradespace.config import WEIGHTS, Config
from tradespace.errors import Unsupported
from tradespace.prepare import cuda, weights
from tradespace.prepare.quiet import quiet
from tradespace.prepare.refusal import projected, refusing
from tradespace.prepare.runtime import Runtime
from tradespace.prepare.session import UNCALIBRATED, Call, Converted, Layer, Session, noted
from tradespace.prepare.source import Source
from tradespace.prepare.types import FLOATS
from tradespace.prepare.types import converted as in_type
from tradespace.tasks.called import Called, Wrapper

PRECISIONS = (*FLOATS, "int8", "int8-dynamic", *WEIGHTS, "fp8", "int4")
# The other CPU engines of torch 2.13 warn hundreds of times and have twice oneDNN's error.
INT8_ENGINE = "onednn"
SEVEN_BITS = "7-bit activations"
LOOKED_UP = (nn.Embedding, nn.EmbeddingBag, quantized.Embedding, quantized.EmbeddingBag)


def unsupported(config: Config, calibrated: bool) -> str | None:
    """Why eager PyTorch cannot run `config` here, or None."""
    if config.precision in FLOATS or config.precision in WEIGHTS:
        return None
    if config.device == "cuda":
        return cuda.unsupported(config)
    if config.precision in cuda.PRECISIONS_OF_CUDA_ALONE:
        return f"{config.precision} has kernels for CUDA only, not for {config.device}"
    if config.device != "cpu":
        return f"eager PyTorch has {config.precision} kernels for the CPU and CUDA only, not for {config.device}"
    if INT8_ENGINE not in torch.backends.quantized.supported_engines:
        return f"this build of PyTorch has no {INT8_ENGINE} engine, which runs int8 on a CPU"
    if config.precision == "int8" and not calibrated:
        return UNCALIBRATED
    return None


def untimed(config: Config) -> str | None:
    """Why `config` can be scored but not timed, or None."""
    if config.precision not in WEIGHTS:
        return None
    return (
        f"this release has no {config.precision} kernel to time; "
        "its accuracy is that of fp32 arithmetic with rounded weights"
    )


def convert(source: Source, config: Config) -> Converted:
    """Convert the model of `source` to the precision of `config`, on its device."""
    if config.precision in FLOATS:
        return in_floating_point(source.module(), torch.contiguous_format, source, config)
    if config.precision in WEIGHTS:
        module = source.module()
        model_mb = weights.round_weights(module, config.precision)
        return _converted(in_float(module, torch.float32, config.device), source, config, model_mb)
    if config.device == "cuda":
        module = in_float(source.module(), torch.bfloat16, config.device)
        cuda.quantize(module, config.precision)
    elif config.precision == "int8-dynamic":
        module = _dynamic_int8(source)
        return _converted(module, source, config, _saved_mb(module), lambda: _dynamic_in_float(module), SEVEN_BITS)
    else:
        module, twin = _static_int8(source)
        return _converted(module, source, config, _saved_mb(module), twin, SEVEN_BITS if overflows() else "")
    return _converted(module, source, config, _saved_mb(module))


def in_floating_point(module: nn.Module, layout: torch.memory_format, source: Source, config: Config) -> Converted:
    """Convert `module`, made of `source`, to the floating-point precision of `config`, on its device."""
    module = in_float(module, FLOATS[config.precision], config.device, layout)
    _try(module, source, f"this model cannot run in {config.precision}", config.device)
    return _converted(module, source, config, _saved_mb(module))


def begin(config: Config) -> None:
    """Find out, once for all models, whether sums of bytes overflow."""
    if config.precision == "int8" and config.device == "cpu":
        overflows()


@cache
def overflows() -> bool:
    """Whether PyTorch's engine adds the largest products of unsigned and signed bytes incorrectly here.

    It does on x86 processors without VNNI, or if `ONEDNN_MAX_CPU_ISA` hides VNNI: pairs are then added in 16 bits.
    """
    unsigned, signed, terms = 255.0, 127.0, 64
    torch.backends.quantized.engine = INT8_ENGINE
    with quiet():
        weights = torch.quantize_per_tensor(torch.full((16, terms), signed), 1.0, 0, torch.qint8)
        layer = quantized.Linear(terms, 16)
        layer.set_weight_bias(weights, None)
        exact = unsigned * signed * terms
        layer.scale, layer.zero_point = exact / unsigned, 0
        inputs = torch.quantize_per_tensor(torch.full((1, terms), unsigned), 1.0, 0, torch.quint8)
        return bool((layer(inputs).dequantize() < 0.99 * exact).any())


def _converted(
    module: nn.Module,
    source: Source,
    config: Config,
    model_mb: float,
    twin: Callable[[], Call] | None = None,
    note: str = "",
) -> Converted:
    example = [tensor.to(config.device) for tensor in source.example]

    def layers() -> list[Layer]:
        return noted(layers_of(module, *example), note)

    # The number of threads is torch's own setting, and any batch size works.
    session = Session(module.eval(), layers)
    return Converted(lambda threads, batch_size: session, model_mb, twin)


def in_float(
    module: nn.Module, dtype: torch.dtype, device: str, layout: torch.memory_format = torch.contiguous_format
) -> nn.Module:
    """Convert `module` to a floating-point type, memory layout and device, in place; its inputs and outputs stay fp32.

    If there is nothing to convert at each call, the result is `module` itself.
    """
    module = in_type(module, dtype).to(device)
    if dtype == torch.float32 and layout == torch.contiguous_format:
        return module
    return InFloat(module.to(memory_format=layout), dtype, layout)  # type: ignore[call-overload]  # not in its stub


class InFloat(Wrapper):
    """Calls a module that computes in another floating-point type or memory layout, with inputs and outputs in fp32."""

    def __init__(self, model: nn.Module, dtype: torch.dtype, layout: torch.memory_format) -> None:
        super().__init__()
        self.model, self.dtype, self.layout = model, dtype, layout

    @property
    def inner(self) -> nn.Module:
        """The module inside."""
        return self.model

    def forward(self, *tensors: Tensor) -> Tensor:
        outputs: Tensor = self.model(*map(self._converted, tensors))
        return outputs.float() if outputs.is_floating_point() else outputs

    def _converted(self, tensor: Tensor) -> Tensor:
        if tensor.is_floating_point():
            tensor = tensor.to(self.dtype)
        return laid_out(tensor, self.layout)


def laid_out(tensor: Tensor, layout: torch.memory_format) -> Tensor:
    """Lay out a tensor of four axes, and leave any other as it is."""
    return tensor.contiguous(memory_format=layout) if tensor.ndim == 4 else tensor


def _dynamic_int8(source: Source) -> nn.Module:
    """Quantize linear and recurrent layers only: weights to int8, activations at each call."""
    model = source.module()
    if projection := projected(model):
        raise Unsupported(
            f"PyTorch's dynamic int8 has no LSTM with projections (proj_size), as in layer {projection!r}"
        )
    layers = {nn.Linear, nn.LSTM, nn.GRU}
    if not any(isinstance(module, tuple(layers)) for module in model.modules()):
        raise Unsupported("int8-dynamic quantizes linear and recurrent layers, and this model has none")
    torch.backends.quantized.engine = INT8_ENGINE
    refused = "PyTorch's dynamic int8 cannot convert this model"
    # torch.ao.quantization is deprecated in favour of torchao, whose CPU kernels do not load with this torch.
    with refusing(refused, model), warnings.catch_warnings(action="ignore"):
        # A model that is itself such a layer would not be converted.
        wrapped = model if isinstance(model, Called) else nn.Sequential(model)
        converted: nn.Module = torch.ao.quantization.quantize_dynamic(wrapped, layers, torch.qint8)
    for layer in converted.modules():
        if isinstance(layer, nn.TransformerEncoderLayer):
            layer.activation_relu_or_gelu = 0  # its fused kernel reads the weights of linear layers that are now int8
    _try(converted, source, refused)
    return converted


def _try(module: nn.Module, source: Source, refused: str, device: str = "cpu") -> None:
    with refusing(refused, module), torch.inference_mode():
        module(*(tensor.clone().to(device) for tensor in source.example))


class _LinearInFloat(nn.Module):
    """A dynamic int8 layer computed in floating point: its rounded inputs times its rounded weights."""

    def __init__(self, layer: quantized.dynamic.Linear) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight().dequantize(), layer.bias()

    def forward(self, x: Tensor) -> Tensor:
        # To seven bits, as torch's dynamic layers round on every processor.
        scale, zero_point = torch._choose_qparams_per_tensor(x, True)
        inputs = torch.fake_quantize_per_tensor_affine(x, scale, zero_point, 0, 127)
        return F.linear(inputs, self.weight, self.bias)


def _dynamic_in_float(module: nn.Module) -> Call:
    """Copy an int8-dynamic `module` into floating point. The inputs of recurrent layers are not rounded there."""
    twin = copy.deepcopy(module)
    for name, layer in list(twin.named_modules()):
        if isinstance(layer, quantized.dynamic.Linear):
            twin.set_submodule(name, _LinearInFloat(layer))
        elif isinstance(layer, quantized.dynamic.LSTM | quantized.dynamic.GRU):
            twin.set_submodule(name, _recurrent_in_float(layer))
    return twin.eval()


def _recurrent_in_float(layer: Any) -> nn.Module:
    options = ("num_layers", "bias", "batch_first", "dropout", "bidirectional")
    kind: type[nn.RNNBase] = getattr(nn, type(layer).__name__)
    plain = kind(layer.input_size, layer.hidden_size, **{name: getattr(layer, name) for name in options})
    rounded = {name: value.dequantize() for name, value in layer.get_weight().items()}
    plain.load_state_dict({**rounded, **layer.get_bias()})
    return plain


def _static_int8(source: Source) -> tuple[nn.Module, Callable[[], Call]]:
    """Quantize weights and activations to int8; also return the same model in floating point.

    Ranges are observed on the calibration inputs (Krishnamoorthi, 2018). Where sums of bytes would overflow,
    activations have seven bits, which torch itself uses for its other x86 engine.
    """
    if len(source.example) > 1:
        raise Unsupported("PyTorch's static int8 (torch.fx) takes models with one input tensor, and this one has more")
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.fx.utils import assert_and_get_unique_device
    from torch.ao.quantization.quantize_fx import convert_fx, convert_to_reference_fx, prepare_fx

    torch.backends.quantized.engine = INT8_ENGINE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapping = get_default_qconfig_mapping("x86" if overflows() else INT8_ENGINE)
        # Wrapped, since a model that is itself a layer would not be converted.
        wrapped, refused = nn.Sequential(source.module()), "PyTorch's static int8 (torch.fx) cannot convert this model"
        with refusing(refused, wrapped[0]), _without_stack_traces():
            observed = prepare_fx(wrapped, mapping, example_inputs=source.example)
        with refusing(refused, observed), torch.inference_mode():
            for batch in source.calibration:
                observed(*(tensor.clone() for tensor in batch))  # a model may write into its inputs
        with refusing(refused, observed):
            twin = copy.deepcopy(observed)
            converted = convert_fx(observed)
        _try(converted, source, refused)
    # torch's cache would keep every model that was ever converted.
    assert_and_get_unique_device.cache_clear()
    if not any(weight.dtype == torch.qint8 for weight in map(_weight, converted.modules()) if weight is not None):
        raise Unsupported("int8 quantizes layers that multiply by weights, and found none in this model")

    def in_float() -> Call:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reference: Call = convert_to_reference_fx(twin).eval()
        assert_and_get_unique_device.cache_clear()
        return reference

    return converted, in_float


@contextmanager
def _without_stack_traces() -> Iterator[None]:
    """Keep torch.fx from recording where each operation came from, for which it imports all of torch.compile."""
    before = torch.fx.config.do_not_emit_stack_traces
    torch.fx.config.do_not_emit_stack_traces = True
    try:
        yield
    finally:
        torch.fx.config.do_not_emit_stack_traces = before


def layers_of(module: nn.Module, *example: Tensor) -> list[Layer]:
    """List the layers that multiply for one item, with the type of their weights; products of activations come last."""
    layers: list[Layer] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor], outputs: Tensor) -> None:
        weight = _weight(layer)
        assert weight is not None, "only layers with weights are watched"
        # Each output is a sum over the weights of its channel; a transposed convolution spreads each input over them.
        transposed = "Transpose" in type(layer).__name__
        numbers = (*inputs, *named.values())[0] if transposed else outputs
        layers.append(Layer(type(layer).__name__, _name(weight.dtype), numbers.numel() * weight[0].numel()))

    layers_with_weights = (layer for layer in module.modules() if _weight(layer) is not None)
    watched = [layer.register_forward_hook(note, with_kwargs=True) for layer in layers_with_weights]
    # The counter sees only the arithmetic of floating-point kernels.
    fast, attention = torch.backends.mha.get_fastpath_enabled(), sdpa_kernel(SDPBackend.MATH)
    torch.backends.mha.set_fastpath_enabled(False)  # it cannot see into fused attention
    with FlopCounterMode(display=False) as counter, torch.inference_mode(), attention:
        outputs = module(*example)
    torch.backends.mha.set_fastpath_enabled(fast)
    for hook in watched:
        hook.remove()
    activations = counter.get_total_flops() // 2 - sum(layer.macs for layer in layers if layer.precision in FLOATS)
    if activations > 0:
        dtype = next((_name(weight.dtype) for weight in module.parameters()), _name(outputs.dtype))
        layers.append(Layer("products of activations", dtype, activations))
    return layers


def _weight(layer: nn.Module) -> Tensor | None:
    """The weight that a layer multiplies by, with two axes or more; None for other layers, such as embeddings."""
    weight = getattr(layer, "weight", None)
    if isinstance(layer, LOOKED_UP):
        return None
    if callable(weight):  # in torch's quantized layers it is a method
        weight = weight()
    elif not isinstance(layer, nn.Linear | _ConvNd):
        return None
    return weight if isinstance(weight, Tensor) and weight.ndim > 1 else None


def _name(dtype: torch.dtype) -> str:
    named = {value: name for name, value in FLOATS.items()} | {torch.qint8: "int8"}
    return named.get(dtype, str(dtype).removeprefix("torch."))


def _saved_mb(module: nn.Module) -> float:
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    return buffer.tell() / 1e6


RUNTIME = Runtime(PRECISIONS, unsupported, convert, begin=begin, preparing_s=(0.5, 0.05))
