"""BatchNorm as part of the convolution before it."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from tradespace.prepare import fold as fold_module
from tradespace.prepare.fold import NORMS, fold

X = torch.randn(5, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def trained(module: nn.Module) -> nn.Module:
    """`module` in evaluation mode, its BatchNorms as after training."""
    torch.manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, NORMS):
            for values in (layer.running_mean, layer.weight, layer.bias):
                nn.init.normal_(values)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return module.eval()


def norms(module: nn.Module) -> int:
    return sum(isinstance(layer, NORMS) for layer in module.modules())


def assert_folded(module: nn.Module, inputs: Tensor, left: int) -> None:
    """`left` BatchNorms remain, and the outputs are the same."""
    with torch.inference_mode():
        expected = module(inputs)
        folded = fold(module)
        torch.testing.assert_close(folded(inputs), expected, rtol=1e-4, atol=1e-4)
    assert folded is module
    assert norms(folded) == left


@pytest.mark.parametrize("bias", [True, False])
def test_a_batchnorm_after_a_convolution_becomes_part_of_it(bias):
    module = trained(nn.Sequential(nn.Conv2d(2, 4, 3, bias=bias), nn.BatchNorm2d(4), nn.ReLU()))
    assert_folded(module, X, left=0)
    assert isinstance(module[1], nn.Identity)
    assert module[0].bias is not None


def test_convolutions_of_one_and_three_axes_are_folded_too():
    assert_folded(trained(nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4))), X[..., 0], left=0)
    assert_folded(trained(nn.Sequential(nn.Conv3d(1, 4, 2), nn.BatchNorm3d(4))), X.unsqueeze(1), left=0)


def test_a_folded_trained_model_gives_the_same_scores(fashion):
    images = fashion.test[0][:50]
    model = fashion.load_model("resnet8")
    assert norms(model) == 9
    assert_folded(model, images, left=0)


class Reused(nn.Module):
    """A layer that is called twice."""

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer = layer
        self.convolution, self.norm = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.convolution(x))
        return getattr(self, self.layer)(x)


@pytest.mark.parametrize("layer", ["convolution", "norm"])
def test_a_layer_that_is_used_twice_is_not_folded(layer):
    assert_folded(trained(Reused(layer)), X, left=1)


class Branching(nn.Module):
    """The output of the convolution goes elsewhere too."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(x)
        return x + self.norm(x)


def test_a_convolution_whose_output_goes_elsewhere_too_is_not_folded():
    assert_folded(trained(Branching()), X, left=1)


class BorrowsWeights(nn.Module):
    """The weights of the convolution are used elsewhere too."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.convolution(x)) + F.conv2d(x, self.convolution.weight)


def test_a_convolution_whose_weights_are_used_elsewhere_too_is_not_folded():
    assert_folded(trained(BorrowsWeights()), X, left=1)


def test_weights_that_two_convolutions_share_are_folded_apart():
    module = nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 3))
    module[3].weight = module[0].weight
    assert_folded(trained(module), X, left=0)


def test_a_batchnorm_that_follows_no_convolution_stays():
    module = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3), nn.ReLU(), nn.BatchNorm2d(4))
    assert_folded(trained(module), X, left=2)


def test_a_batchnorm_that_keeps_no_statistics_stays():
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)).eval()
    assert_folded(module, X, left=1)


def test_a_convolution_whose_weights_are_computed_from_others_stays_as_it_is():
    convolution = parametrizations.weight_norm(nn.Conv2d(2, 4, 3))
    assert_folded(trained(nn.Sequential(convolution, nn.BatchNorm2d(4))), X, left=1)


def test_a_convolution_with_a_hook_on_its_output_stays_as_it_is():
    module = trained(nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)))
    module[0].register_forward_hook(lambda layer, inputs, outputs: outputs * 3)
    assert_folded(module, X, left=1)


class Undecided(nn.Module):
    """Its control flow depends on data, so that it cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.convolution(x)) if x.sum() > 0 else x


def test_a_model_that_cannot_be_traced_is_left_as_it_is():
    assert_folded(trained(Undecided()), X.abs(), left=1)


class Counts(nn.Module):
    """Does something in Python at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []
        self.convolution, self.norm = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(1)
        return self.norm(self.convolution(x))


def test_the_models_own_forward_stays_with_all_it_does():
    module = fold(trained(Counts()))
    before = len(module.calls)
    module(X)
    module(X)
    assert (type(module), len(module.calls) - before, norms(module)) == (Counts, 2, 0)


def test_a_model_without_batchnorm_is_not_even_traced(monkeypatch):
    monkeypatch.setattr(fold_module.fx, "symbolic_trace", None)
    module = nn.Sequential(nn.Conv2d(2, 2, 3), nn.ReLU()).eval()
    assert fold(module) is module
