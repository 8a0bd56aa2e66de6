import pytest
import torch
from torch import Tensor, nn
from tradespace.config import Config
from tradespace.errors import Unsupported
from tradespace.prepare import Source, prepare, unsupported
from tradespace.prepare.fused import fused
from tradespace.tasks import Task

IMAGES = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def norm(channels: int) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(channels)
    nn.init.normal_(made.running_mean)
    nn.init.uniform_(made.weight, 0.5, 2.0)
    return made


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution, self.norm, self.head = nn.Conv2d(1, 4, 3), norm(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.convolution(x)).mean((2, 3)))


class UsesItTwice(Plain):
    def forward(self, x: Tensor) -> Tensor:
        z = self.convolution(x)
        return self.head((self.norm(z) + z).mean((2, 3)))


class ReadsItsNorm(Plain):
    def forward(self, x: Tensor) -> Tensor:
        share = self.norm.weight.softmax(0).view(1, -1, 1, 1)
        return self.head((self.norm(self.convolution(x)) * share).mean((2, 3)))


class WeighsItsLayer(Plain):
    """Tracing does not see it: what it adds is a constant there."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.convolution._parameters["weight"].detach().sum()


class SeesItsBatchAsChannels(Plain):
    """It cannot be traced either, so that its norm stays."""

    def forward(self, x: Tensor) -> Tensor:
        z = self.norm(self.convolution(x))
        return self.head(z.view(1, -1, *z.shape[2:]).mean((2, 3)).view(len(x), 4))


def source_of(module: nn.Module, inputs: Tensor = IMAGES) -> Source:
    return Source(Task.from_model(module.eval(), example=inputs[:1], calibration=inputs), "model", "none")


def norms_of(module: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())


@pytest.mark.parametrize(("kind", "norms"), [(Plain, 0), (UsesItTwice, 1)])
def test_a_fused_model_computes_the_same(kind, norms):
    source = source_of(kind())
    module, layout = fused(source)
    assert (norms_of(module), layout) == (norms, torch.channels_last)
    with torch.inference_mode():
        given = IMAGES.contiguous(memory_format=layout)
        torch.testing.assert_close(module(given), source.module()(IMAGES), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_it_runs_with_its_inputs_and_outputs_in_fp32_in_every_type(precision):
    source = source_of(Plain())
    session = prepare(source, Config("model", precision=precision, runtime="fused")).session(1, None)
    with torch.inference_mode():
        outputs = session.call(IMAGES)
        torch.testing.assert_close(outputs, source.module()(IMAGES), rtol=0.05, atol=0.05)
    assert norms_of(session.call) == 0
    assert all(layer.precision == precision for layer in session.layers())


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (ReadsItsNorm, r"with BatchNorm folded into convolutions, this model fails: .* no attribute 'weight'"),
        (WeighsItsLayer, r"with BatchNorm folded into convolutions, the outputs .* depart from its own by \d+\.\d\d%"),
        (SeesItsBatchAsChannels, "with images laid out channels last, this model fails: view size is not compatible"),
    ],
)
def test_a_model_that_fusing_would_change_is_unsupported_for_that_reason(kind, why):
    with pytest.raises(Unsupported, match=why):
        fused(source_of(kind()))


def test_where_nothing_would_change_it_is_unsupported_too():
    with pytest.raises(Unsupported, match=r"^there is nothing to fuse in this model: no BatchNorm follows"):
        fused(source_of(nn.Linear(4, 2), torch.randn(5, 4)))


def test_a_sequence_has_its_norms_folded_and_its_layout_kept():
    module, layout = fused(source_of(nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4)), torch.randn(5, 2, 9)))
    assert (isinstance(module[1], nn.Identity), layout) == (True, torch.contiguous_format)


def test_eager_is_the_module_as_it_was_given():
    session = prepare(source_of(Plain()), Config("model")).session(1, None)
    assert norms_of(session.call) == 1
    assert session.call.convolution.weight.is_contiguous()


def test_other_precisions_are_refused_before_any_work(tiny):
    reason = unsupported(tiny, Config("narrow", precision="int8", runtime="fused"))
    assert reason == "fused PyTorch runs fp32, bf16, fp16 in this release, not int8"
