import pytest
import torch
from torch import nn
from tradespace.errors import Unsupported
from tradespace.prepare.types import FLOATS, converted, in_fp32, inputs_in_fp32


class Spectral(nn.Module):
    """A filter of complex numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.filter, self.scale = nn.Parameter(torch.randn(9, dtype=torch.cdouble)), nn.Parameter(torch.ones(1))


@pytest.mark.parametrize("dtype", FLOATS.values())
@pytest.mark.parametrize("own", [torch.float64, torch.float32, torch.float16])
def test_weights_and_buffers_of_any_type_become_the_one_asked_for_and_counts_stay_whole(own, dtype):
    module = converted(nn.BatchNorm1d(3).to(own), dtype)
    assert {value.dtype for value in (module.weight, module.running_mean)} == {dtype}
    assert module.num_batches_tracked.dtype == torch.int64


def test_complex_weights_keep_their_imaginary_parts():
    module = Spectral()
    before = module.filter.detach().clone()
    torch.testing.assert_close(in_fp32(module).filter.detach(), before.to(torch.complex64))


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_complex_weights_exist_in_no_half_precision(name):
    with pytest.raises(Unsupported, match=f"complex weights, and torch has no complex numbers of type {name}"):
        converted(Spectral(), FLOATS[name])


def test_a_module_of_that_type_already_is_left_alone():
    module = nn.Linear(2, 2)
    weight = module.weight
    assert in_fp32(module).weight is weight


def test_inputs_become_fp32_unless_they_are_whole_numbers_or_masks():
    given = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.bool)
    assert [tensor.dtype for tensor in inputs_in_fp32(given)] == [torch.float32, torch.int64, torch.bool]
