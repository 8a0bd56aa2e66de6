"""The decoder against the reference implementation of Llama, and its cache against a run without one."""

from functools import partial

import pytest
import torch
from tradespace.tasks.writer.decoder import Cache, Decoder, Shape

SHAPE = Shape(vocabulary=50, width=48, hidden=64, layers=3, heads=6, kv_heads=2, length=32, theta=5_000.0)
# The reference's names of what ours are called.
THEIRS = {
    "words": "model.embed_tokens",
    "layers": "model.layers",
    "attention_norm": "input_layernorm",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "attention_out": "self_attn.o_proj",
    "feed_norm": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "expand": "mlp.up_proj",
    "contract": "mlp.down_proj",
}


# Scores are about 50.
close = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-4)


def theirs(name):
    if name == "norm.weight":
        return "model.norm.weight"
    return ".".join(THEIRS.get(part, part) for part in name.split("."))


@pytest.fixture(scope="module")
def decoder():
    torch.manual_seed(0)
    return Decoder(SHAPE).eval()


@pytest.fixture(scope="module")
def ids():
    return torch.randint(SHAPE.vocabulary, (3, 10), generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.inference_mode():
        yield


def test_its_scores_are_those_of_the_reference(decoder, ids):
    transformers = pytest.importorskip("transformers")
    reference = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=SHAPE.vocabulary,
            hidden_size=SHAPE.width,
            intermediate_size=SHAPE.hidden,
            num_hidden_layers=SHAPE.layers,
            num_attention_heads=SHAPE.heads,
            num_key_value_heads=SHAPE.kv_heads,
            rope_parameters={"rope_type": "default", "rope_theta": SHAPE.theta},
            rms_norm_eps=SHAPE.epsilon,
            tie_word_embeddings=True,
        )
    ).eval()
    state = {theirs(name): tensor for name, tensor in decoder.state_dict().items()}
    missing, unexpected = reference.load_state_dict(state, strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])
    close(decoder(ids), reference(ids).logits)


def cache_for(decoder, batch_size, capacity):
    return Cache.empty(SHAPE, batch_size, capacity, decoder.words.weight)


@pytest.mark.parametrize("portions", [[10], [1] * 10, [4, 6], [3, 1, 5, 1]], ids=str)
def test_tokens_that_come_in_portions_are_scored_as_if_they_came_at_once(decoder, ids, portions):
    cache, start, scores = cache_for(decoder, 3, 16), 0, []
    for number in portions:
        scores.append(decoder(ids[:, start : start + number], cache, start))
        start += number
    close(torch.cat(scores, 1), decoder(ids))


def test_what_is_written_behind_in_the_cache_does_not_matter(decoder, ids):
    cache = cache_for(decoder, 3, 16)
    decoder(ids, cache)
    again = decoder(ids[:, 4:5], cache, 4)  # a cache that is used again, from an earlier place on
    close(again, decoder(ids[:, :5])[:, 4:])


def test_only_the_last_scores_are_made_if_they_are_asked_for(decoder, ids):
    close(decoder(ids, last=True), decoder(ids)[:, -1:])


def test_sequences_of_a_batch_do_not_see_each_other(decoder, ids):
    close(decoder(ids[1:2]), decoder(ids)[1:2])


def test_later_tokens_do_not_change_earlier_scores(decoder, ids):
    close(decoder(ids[:, :6]), decoder(ids)[:, :6])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_bytes_of_the_cache_are_those_of_the_formula(dtype):
    cache = Cache.empty(SHAPE, 3, 16, torch.empty(0, dtype=dtype))
    assert (cache.nbytes, cache.capacity) == (SHAPE.cache_bytes(3 * 16, dtype.itemsize), 16)
    # Of SmolLM2-135M in fp32: 2 x 30 x 3 x 64 x 4.
    small = Shape(vocabulary=1, width=576, hidden=1, layers=30, heads=9, kv_heads=3, length=1)
    assert small.cache_bytes(tokens=1) == 46_080


def test_a_cache_that_is_full_takes_no_more(decoder, ids):
    with pytest.raises(RuntimeError):
        decoder(ids, cache_for(decoder, 3, 8))
