"""Decoders ready to write: all runtimes write what eager PyTorch does, and what does not fit is refused."""

import re

import pytest
import torch
from tradespace.prepare import writers
from tradespace.prepare.writers import WRITERS, greedy, open_writer
from tradespace.tasks.writer.decoder import Decoder, Shape

SHAPE = Shape(vocabulary=60, width=48, hidden=64, layers=2, heads=6, kv_heads=2, length=24)
close = torch.testing.assert_close


@pytest.fixture(scope="module")
def decoder():
    torch.manual_seed(0)
    return Decoder(SHAPE).eval()


@pytest.fixture(scope="module")
def opened(decoder):
    """-> (runtime) -> the decoder in it, opened once: an export takes seconds."""
    made = {}

    def opening(runtime):
        if runtime != "eager":
            pytest.importorskip(runtime)
        return made.setdefault(runtime, made.get(runtime) or open_writer(decoder, runtime))

    return opening


def prompts(texts, tokens, seed=0):
    return torch.randint(SHAPE.vocabulary, (texts, tokens), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("runtime", WRITERS)
@pytest.mark.parametrize(("texts", "tokens"), [(1, 1), (1, 7), (3, 5)])
def test_tokens_written_one_by_one_are_scored_as_those_of_whole_texts(decoder, opened, runtime, texts, tokens):
    writer, ids = opened(runtime), prompts(texts, tokens + 6)
    found = [writer.begin(ids[:, :tokens])]
    found += [writer.step(ids[:, place]) for place in range(tokens, tokens + 6)]
    with torch.inference_mode():
        wanted = decoder(ids)[:, tokens - 1 :]
    close(torch.stack(found, 1), wanted, rtol=1e-4, atol=1e-3)
    assert writer.tokens == tokens + 6


@pytest.mark.parametrize("runtime", WRITERS)
def test_the_same_text_is_written_in_every_runtime_and_again_after_another_one(opened, runtime):
    wanted = torch.stack(list(greedy(opened("eager"), prompts(2, 4), new_tokens=12)))
    writer = opened(runtime)
    for _ in range(2):
        assert torch.equal(torch.stack(list(greedy(writer, prompts(2, 4), new_tokens=12))), wanted)
        list(greedy(writer, prompts(5, 9, seed=1), new_tokens=2))


def test_a_text_that_has_ended_stays_so_and_writing_ends_with_the_last_text(opened):
    written = torch.stack(list(greedy(opened("eager"), prompts(2, 4), new_tokens=12)), 1)
    end = int(written[0, 2])
    first = [int((one == end).nonzero()[0]) if (one == end).any() else 11 for one in written]
    ended = torch.stack(list(greedy(opened("eager"), prompts(2, 4), new_tokens=12, end=end)), 1)
    assert ended.shape[1] == max(first) + 1
    for one, whole, place in zip(ended, written, first, strict=True):
        assert one[: place + 1].tolist() == whole[: place + 1].tolist()
        assert set(one[place + 1 :].tolist()) <= {end}


def test_each_text_has_as_many_tokens_as_fit_and_no_more(decoder):
    writer = open_writer(decoder, "eager", most_tokens=6)
    writer.begin(prompts(1, 5))
    writer.step(torch.tensor([1]))
    with pytest.raises(ValueError, match=r"^tokens: wanted at most 6 in a text; got 7, of which 6 are there already$"):
        writer.step(torch.tensor([1]))
    assert writer.tokens == 6


def refuse(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        call()


def test_bad_input_is_refused_by_name(decoder):
    writer = open_writer(decoder, "eager")
    refuse(lambda: writer.step(torch.tensor([1])), "tokens: wanted one for each of 0 texts; got shape (1,)")
    refuse(lambda: writer.begin(prompts(1, 25)), "tokens: wanted at most 24 in a text; got 25")
    for empty in (torch.zeros(1, 0, dtype=torch.int64), torch.zeros(0, 3, dtype=torch.int64), torch.tensor([1, 2])):
        refuse(lambda empty=empty: writer.begin(empty), "prompts: wanted at least one token for each text; got shape")
    for strange in (-1, 60):
        refuse(
            lambda strange=strange: writer.begin(torch.tensor([[1, strange]])), "tokens: wanted ids from 0 to 59; got"
        )
    writer.begin(prompts(2, 3))
    refuse(lambda: writer.step(torch.tensor([1])), "tokens: wanted one for each of 2 texts; got shape (1,)")
    refuse(lambda: next(greedy(writer, prompts(1, 3), 0)), "new_tokens: wanted a whole number, from 1 to 21; got 0")
    refuse(lambda: next(greedy(writer, prompts(1, 3), 22)), "new_tokens: wanted a whole number, from 1 to 21; got 22")
    refuse(
        lambda: open_writer(decoder, "compile"), "runtime: wanted one of eager, onnxruntime, openvino; got 'compile'"
    )
    refuse(lambda: open_writer(decoder, "eager", most_tokens=25), "most_tokens: wanted a whole number, from 1 to 24")


def test_texts_whose_keys_and_values_do_not_fit_are_refused_with_the_bytes_before_any_work(decoder, monkeypatch):
    monkeypatch.setattr(writers.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 20_000})())
    writer = open_writer(decoder, "eager")
    # 2 x 2 layers x 2 heads x 8 numbers x 4 bytes x 24 tokens = 6,144 bytes a text.
    refuse(
        lambda: writer.begin(prompts(4, 3)),
        "prompts: the keys and values of 4 texts of up to 24 tokens take 0 MB; 0 MB are free. The nearest valid choice "
        "is 3 texts",
    )
    assert writer.tokens == 0
    assert writer.begin(prompts(3, 3)).shape == (3, 60)
