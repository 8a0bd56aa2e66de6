import logging

import pytest
import torch
from torch import nn
from tradespace.errors import Unsupported
from tradespace.prepare.refusal import projected, refusing, said
from tradespace.tasks.called import Called


class Outer(nn.Module):
    """Fails in the second of two layers, one inside the other."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x):
        return self.body(x)


def refusal_of(run, what="no", module=None, **options) -> str:
    with pytest.raises(Unsupported) as refused, refusing(what, module, **options):
        run()
    return str(refused.value)


def breaks(words="broken", printed="") -> None:
    print(printed)
    raise RuntimeError(words)


def test_the_innermost_layer_that_was_running_is_named():
    module = Outer()
    reason = refusal_of(lambda: module(torch.zeros(1, 3)), "cannot run it", module)
    assert reason.startswith("cannot run it, in its layer 'body.1' (Linear): mat1 and mat2")


def test_a_layer_is_named_as_in_the_users_own_module():
    called = Called(Outer(), (torch.zeros(1, 3),))
    assert "in its layer 'body.1' (Linear)" in refusal_of(lambda: called(torch.zeros(1, 3)), module=called)


def test_a_layer_that_the_user_called_model_keeps_its_name():
    module = nn.ModuleDict({"model": nn.Linear(4, 2)})
    assert "in its layer 'model' (Linear)" in refusal_of(lambda: module["model"](torch.zeros(1, 3)), module=module)


def test_a_layer_that_has_ended_is_not_blamed():
    module = Outer()
    assert refusal_of(lambda: breaks(f"after {len(module(torch.zeros(1, 4)))}"), module=module) == "no: after 1"
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in module.modules())


@pytest.mark.parametrize(("log", "reason"), [(True, "no: broken printed"), (False, "no: broken")])
def test_what_was_printed_is_part_of_the_reason_if_asked_for_and_never_seen(capfd, log, reason):
    assert refusal_of(lambda: breaks(printed="printed"), log=log) == reason
    assert capfd.readouterr() == ("", "")


def test_a_lack_of_memory_is_no_property_of_the_model():
    with pytest.raises(RuntimeError, match="bad_alloc"), refusing("no"):
        breaks("std::bad_alloc")


def test_a_refusal_stays_what_it_is():
    def refuse():
        raise Unsupported("for this reason")

    assert refusal_of(refuse) == "for this reason"


def test_where_in_a_library_an_error_was_raised_is_left_out():
    places = "Exception from src/core.cpp:105:\nCheck 'false' failed at src/report.cpp:151:\n"
    assert said(RuntimeError(f"{places}no such operation")) == "no such operation"


def test_the_cause_of_an_error_says_more_than_the_error():
    error = RuntimeError("export failed")
    error.__cause__ = ValueError("no loop")
    assert said(error) == "no loop"


def test_an_lstm_with_projections_is_found_wherever_it_is():
    assert projected(nn.Sequential(nn.LSTM(4, 8))) is None
    assert projected(nn.ModuleDict({"deep": nn.Sequential(nn.LSTM(4, 8, proj_size=2))})) == "deep.0"
    assert projected(nn.LSTM(4, 8, proj_size=2)) == "LSTM"


def test_a_log_handler_made_meanwhile_may_be_flushed_afterwards():
    handlers = []

    def make():
        handlers.append(logging.StreamHandler())
        handlers[0].flush = handlers[0].stream.flush  # as transformers does
        logging.getLogger("made meanwhile").addHandler(handlers[0])
        breaks()

    refusal_of(make)
    assert refusal_of(breaks) == "no: broken"
    handlers[0].flush()
    logging.getLogger("made meanwhile").removeHandler(handlers[0])
