"""Both kinds of pruning, on the trained resnet8 and on small models of one's own."""

import copy
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils import prune as torchs_own
from tradespace.errors import Unsupported
from tradespace.prepare.pruning import estimate_batch_norm, prune
from tradespace.tasks.parcel import pack, unpack

IMAGE, ROW, WORDS = torch.zeros(1, 1, 8, 8), torch.zeros(1, 4), torch.zeros(1, 7, dtype=torch.int64)
LAYERS = nn.Conv2d | nn.Linear


class Residual(nn.Module):
    """Two paths that are added: their channels can go only together. With a parameter that no layer owns."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.branch = nn.Sequential(nn.Conv2d(8, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1))
        self.scale = nn.Parameter(torch.ones(1))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        return self.head((y + self.scale * self.branch(y)).mean((2, 3)))


class FixedSize(nn.Module):
    """Its width is written into its code, where no pruning can reach it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.head = nn.Conv2d(1, 8, 3), nn.Linear(288, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.convolution(x).relu().view(-1, 288))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.head = nn.LSTM(4, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrent(x)[0][:, -1])


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.words(x)).mean(1))


def convolution() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 3))


OWN = {"convolution": (convolution, IMAGE), "perceptron": (perceptron, ROW), "residual": (Residual, IMAGE),
       "encoder": (Encoder, WORDS)}  # fmt: skip


@pytest.fixture(params=OWN)
def own(request) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    make, example = OWN[request.param]
    return make().eval(), example


def weights(module: nn.Module) -> Tensor:
    """Every weight of every convolution and linear layer."""
    return torch.cat([layer.weight.flatten() for layer in module.modules() if isinstance(layer, LAYERS)])


def size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def accuracy(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    with torch.inference_mode():
        return (module(images).argmax(1) == labels).double().mean().item()


@pytest.mark.parametrize("percent", [50, 70, 90, 95])
def test_the_share_of_zeros_is_the_one_asked_for_over_all_layers(fashion, percent):
    pruned = prune(fashion.load_model("resnet8"), f"weights-{percent}", None, fashion.example)
    zero = weights(pruned) == 0
    assert zero.sum().item() == round(percent / 100 * len(zero))


def test_the_smallest_weights_go_and_the_others_stay_as_they_were(fashion):
    model = fashion.load_model("resnet8")
    before, after = weights(model), weights(prune(model, "weights-70", None, fashion.example))
    gone = after == 0
    assert before[gone].abs().max() <= before[~gone].abs().min()
    assert torch.equal(after[~gone], before[~gone])


def test_the_threshold_is_one_for_all_layers_as_in_torchs_own_pruning(fashion):
    model, other = fashion.load_model("resnet8"), fashion.load_model("resnet8")
    layers = [(layer, "weight") for layer in other.modules() if isinstance(layer, LAYERS)]
    torchs_own.global_unstructured(layers, torchs_own.L1Unstructured, amount=0.9)
    assert torch.equal(weights(prune(model, "weights-90", None, fashion.example)), weights(other))


def test_attention_and_recurrent_weights_are_pruned_and_embeddings_are_not():
    encoder = prune(Encoder(), "weights-90", None, WORDS)
    assert (encoder.encoder.layers[0].self_attn.in_proj_weight == 0).double().mean() > 0.5
    assert (encoder.words.weight != 0).all()
    recurrent = prune(nn.LSTM(4, 8), "weights-50", None, ROW)
    assert sum((weight == 0).sum() for weight in (recurrent.weight_ih_l0, recurrent.weight_hh_l0)) == 32 * 12 / 2


def test_a_weight_that_two_layers_share_counts_once_and_stays_shared():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU(), nn.Linear(4, 4, bias=False))
    model[2].weight = model[0].weight
    pruned = prune(model, "weights-50", None, ROW)
    assert pruned[2].weight is pruned[0].weight
    assert (pruned[0].weight == 0).sum() == 8


@pytest.mark.parametrize("percent", [25, 50, 75])
def test_every_layer_of_a_resnet_loses_the_same_share_of_its_channels(fashion, percent):
    model = fashion.load_model("resnet8")
    pruned = prune(model, f"channels-{percent}", None, fashion.example)
    widths, before = ([m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)] for net in (pruned, model))
    assert widths == [width * (100 - percent) // 100 for width in before]
    assert (pruned.head.in_features, pruned.head.out_features) == (32 * (100 - percent) // 100, 10)
    assert size(pruned) < (1 - percent / 100) ** 1.5 * size(model)


def test_the_channels_with_the_smallest_weights_go():
    model = nn.Sequential(nn.Linear(4, 6, bias=False), nn.ReLU(), nn.Linear(6, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, 6, 2, 5, 3, 4]).outer(torch.ones(4)))
        model[2].weight.fill_(1)
    pruned = prune(model, "channels-50", None, ROW)
    assert pruned[0].weight[:, 0].tolist() == [6, 5, 4]


@pytest.mark.parametrize("knob", ["channels-50", "weights-50"])
def test_models_of_ones_own_are_pruned_and_still_work(own, knob):
    module, example = own
    pruned = prune(module, knob, None, example)
    with torch.inference_mode():
        outputs = pruned(example.expand(5, *example.shape[1:]))
    assert outputs.shape == (5, 3)
    assert torch.isfinite(outputs).all()
    assert not pruned.training
    assert (size(pruned) < 0.8 * size(module)) == (knob == "channels-50")
    assert size(unpack(pack(pruned))) == size(pruned)


@pytest.mark.parametrize("knob", ["none", "channels-50", "weights-50"])
def test_the_module_and_the_inputs_given_stay_as_they_are(own, knob):
    module, example = own
    module.train().requires_grad_(False)
    before, inputs = copy.deepcopy(module.state_dict()), example.repeat(20, *[1] * (example.ndim - 1))
    kept = inputs.clone()
    prune(module, knob, inputs, example)
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert torch.equal(inputs, kept)


def test_a_model_that_works_in_place_leaves_the_inputs_as_they_are():
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    example, inputs = torch.full((1, 4), -1.0), torch.full((20, 4), -1.0)
    prune(model, "channels-50", inputs, example)
    assert (example == -1).all()
    assert (inputs == -1).all()


@pytest.mark.parametrize("knob", ["channels-50", "weights-50"])
def test_pruning_works_where_no_gradient_is_wanted(own, knob):
    with torch.inference_mode():
        assert not prune(own[0], knob, None, own[1]).training


def test_pruning_says_nothing(capfd):
    # A parameter of no layer makes torch-pruning warn. In pytest a warning would be an error.
    prune(Residual(), "channels-50", IMAGE, IMAGE)
    assert capfd.readouterr() == ("", "")


def test_statistics_of_batch_norm_become_those_of_the_inputs():
    norm = nn.BatchNorm1d(3).eval()
    norm.running_mean.fill_(100)
    norm.running_var.fill_(9)
    inputs = torch.randn(400, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2, 3]) + 5
    estimate_batch_norm(norm, inputs)
    torch.testing.assert_close(norm.running_mean, inputs.mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([part.var(0) for part in inputs.split(100)]).mean(0))
    assert (norm.training, norm.momentum) == (False, 0.1)


@pytest.mark.parametrize("knob", ["channels-50", "weights-50"])
def test_pruning_estimates_batch_norm_anew_and_leaves_other_layers_in_evaluation_mode(knob):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Dropout(0.9), nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)).eval()
    model[2].running_mean.fill_(100)
    inputs = torch.randn(1000, 4)
    pruned = prune(model, knob, inputs, ROW)
    with torch.inference_mode():
        normalised = pruned[:3](inputs)
    varies = (pruned[1].weight != 0).any(1).float()
    torch.testing.assert_close(normalised.mean(0), torch.zeros_like(varies), rtol=0, atol=1e-3)
    torch.testing.assert_close(normalised.std(0), varies, rtol=0, atol=0.02)


@pytest.mark.parametrize("items", [1, 2, 101])
def test_no_number_of_inputs_is_too_few(items):
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)).eval()
    pruned = prune(model, "weights-50", torch.randn(items, 4), ROW)
    assert torch.equal(pruned[1].running_mean, torch.zeros(8)) == (items == 1)


def test_estimating_batch_norm_anew_brings_accuracy_back(fashion):
    images, labels = (part[:1000] for part in fashion.test)
    model = fashion.load_model("resnet8")
    estimated, stale = (
        accuracy(prune(model, "weights-70", inputs, fashion.example), images, labels)
        for inputs in (fashion.calibration, None)
    )
    assert estimated > stale + 0.03


def test_accuracy_falls_off_a_cliff(fashion):
    images, labels = (part[:1000] for part in fashion.test)
    model = fashion.load_model("resnet8")
    whole, half, few = (
        accuracy(prune(model, knob, fashion.calibration, fashion.example), images, labels)
        for knob in ("none", "weights-50", "weights-95")
    )
    assert half > whole - 0.03
    assert few < half - 0.3


@pytest.mark.parametrize("knob", ["channels-50", "weights-50"])
def test_a_model_without_a_layer_to_prune_is_not_supported(knob):
    with pytest.raises(Unsupported, match=f"^{knob} prunes convolutions and linear layers, and this model has none$"):
        prune(nn.Sequential(nn.Flatten(), nn.Softmax(1)), knob, None, ROW)


def test_a_model_of_inputs_and_outputs_alone_has_no_channel_to_take_out():
    with pytest.raises(Unsupported, match="no channels but those of its inputs and outputs"):
        prune(nn.Linear(4, 3), "channels-50", None, ROW)


@pytest.mark.parametrize(("make", "example"), [(FixedSize, IMAGE), (Recurrent, torch.zeros(1, 5, 4))])
def test_a_model_that_torch_pruning_cannot_prune_is_not_supported(make, example):
    with pytest.raises(Unsupported, match=r"^torch-pruning cannot take channels out of this model"):
        prune(make(), "channels-50", None, example)


def test_weights_that_are_computed_from_others_are_not_supported():
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 8)), nn.ReLU(), nn.Linear(8, 3))
    with pytest.raises(Unsupported, match="computed from others"):
        prune(model, "weights-50", None, ROW)


def test_without_torch_pruning_the_reason_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(Unsupported, match=r"needs torch-pruning: pip install torch-pruning$"):
        prune(perceptron(), "channels-50", None, ROW)
    assert size(prune(perceptron(), "weights-50", None, ROW)) == size(perceptron())


def test_a_pruning_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'weights-95'"):
        prune(perceptron(), "weights-99", None, ROW)
