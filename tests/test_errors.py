import math

import numpy as np
import pytest
import torch
from tradespace.errors import choose, positive, whole_number


def test_a_valid_name_is_returned():
    assert choose("device", "cuda", ["cpu", "cuda"]) == "cuda"


def test_an_unknown_name_is_answered_with_the_argument_the_valid_names_and_the_nearest():
    with pytest.raises(ValueError, match=r"^device: wanted one of cpu, cuda; got 'cudo'\. Did you mean 'cuda'\?$"):
        choose("device", "cudo", ["cpu", "cuda"])


def test_no_name_is_suggested_where_none_is_near():
    with pytest.raises(ValueError, match=r"^device: wanted one of cpu, cuda; got 'toaster'$"):
        choose("device", "toaster", ["cpu", "cuda"])


@pytest.mark.parametrize(("value", "nearest"), [("FP32", "fp32"), ("Int8", "int8"), ("INT8", "int8")])
def test_a_name_in_other_capitals_is_recognised(value, nearest):
    with pytest.raises(ValueError, match=f"got '{value}'. Did you mean '{nearest}'"):
        choose("precision", value, ["fp32", "bf16", "int8"])


@pytest.mark.parametrize("value", [None, 8, ["cpu"], {}, b"cpu"])
def test_what_is_no_name_at_all_is_refused(value):
    with pytest.raises(ValueError, match=r"^device: wanted one of cpu, cuda; got "):
        choose("device", value, ["cpu", "cuda"])


@pytest.mark.parametrize("value", [8, np.int64(8), np.uint8(8), np.array([8])[0], torch.tensor(8)])
def test_integers_of_any_kind_become_plain_ones(value):
    number = whole_number("threads", value, least=1, most=8)
    assert number == 8
    assert type(number) is int


@pytest.mark.parametrize(
    "value",
    [
        *(1.5, 8.0, math.nan, math.inf, np.float64(8), "8", True, np.True_, None),
        *(np.array([1, 2]), torch.tensor([1, 2]), torch.tensor(1.5)),
    ],
)
def test_what_is_no_integer_is_no_whole_number(value):
    with pytest.raises(ValueError, match=r"^threads: wanted a whole number, at least 1; got "):
        whole_number("threads", value, least=1)


@pytest.mark.parametrize(("value", "nearest"), [(0, 1), (-3, 1), (9, 8), (10**30, 8)])
def test_an_integer_out_of_range_is_answered_with_the_nearest_in_range(value, nearest):
    message = (
        rf"^threads: wanted a whole number, from 1 to 8 here; got {value}\. The nearest valid choice is {nearest}$"
    )
    with pytest.raises(ValueError, match=message):
        whole_number("threads", value, least=1, most=8, why=" here")


@pytest.mark.parametrize("value", [2, 0.02, np.float32(0.5), np.int64(3), 1e-300])
def test_a_number_above_zero_becomes_a_float(value):
    number = positive("max_width", value)
    assert number == value
    assert type(number) is float


@pytest.mark.parametrize(
    "value", [0, -1, -0.0, math.nan, math.inf, -math.inf, pytest.param(10**400, id="huge"), "2", True, None, [1], 1j]
)
def test_what_is_no_number_above_zero_is_refused(value):
    with pytest.raises(ValueError, match=r"^max_width: wanted a .*number above 0; got "):
        positive("max_width", value)
