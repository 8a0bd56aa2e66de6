import base64
import json
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradespace.config import Config
from tradespace.show.batch_curve.numbers import curve_state, in_words
from tradespace.show.batch_curve.widget import NOTHING, BatchCurve
from tradespace.show.common.view import view
from tradespace.surface.columns import table
from tradespace.surface.predict import BatchFit

UNTIMED = dict.fromkeys(["latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "throughput_per_s"], math.nan)
HOSTILE = "<img src=x onerror=alert(1)>" * 10


def small(**changes):
    return Config("small", **({"threads": 1} | changes))


def first_line(curve):
    return curve.label.split("\n")[0]


def rows(surface, *numbers):
    """(batch size, ms, ...) pairs as rows of `small`, fp32."""
    first = surface.iloc[[0]]
    sizes, latencies = numbers[::2], numbers[1::2]
    return pd.concat(
        [
            first.assign(
                batch_size=size, latency_p50_ms=ms, latency_p50_lo_ms=0.9 * ms, latency_p50_hi_ms=1.2 * ms,
                throughput_per_s=size / ms * 1e3,
            )
            for size, ms in zip(sizes, latencies, strict=True)
        ],
        ignore_index=True,
    )  # fmt: skip


def test_what_is_sent_has_no_nan(surface):
    curve = BatchCurve(surface, small(batch_size=8))
    json.dumps([curve.data, curve.state, curve.marks], allow_nan=False)
    assert curve.data["latency_p50_ms"][-1] is None
    assert curve.data["batch_size"] == surface["batch_size"].tolist()


def test_the_interval_of_throughput_is_as_wide_as_that_of_latency(surface):
    curve = BatchCurve(surface)
    rate, low, high = (curve.data[f"throughput_{name}per_s"][0] for name in ("", "lo_", "hi_"))
    assert (low, high) == pytest.approx((rate / 1.2, rate / 0.9))


def test_the_lines_are_the_precisions_at_the_other_knobs(surface):
    curve = BatchCurve(surface, small(precision="bf16", batch_size=8))
    assert {name: [surface["batch_size"][row] for row in line] for name, line in curve.state["lines"].items()} == {
        "fp32": [1, 8, 64],
        "bf16": [1, 8, 64],
    }
    assert curve.state["precision"] == "bf16"
    assert surface.loc[curve.state["current"], ["model", "precision", "batch_size"]].tolist() == ["small", "bf16", 8]


def test_the_fit_its_knee_and_its_error_are_said(surface):
    curve = BatchCurve(surface, small(batch_size=8))
    assert curve.state["fit"] == {
        "fixed_ms": pytest.approx(1),
        "each_ms": pytest.approx(0.1),
        "knee": pytest.approx(10),
        "knee_text": "10",
        "peak_per_s": pytest.approx(10_000),
    }
    assert first_line(curve).startswith(
        "small, fp32, eager, 1 thread: t(B) = 1 ms + 0.1 ms x B, off by less than 0.1 %"
    )
    assert first_line(curve).endswith("Knee at batch 10: half the peak of 10,000 items/s, at twice the fixed 1 ms.")
    assert curve.label.split("\n")[1] == "Batch 8: 1.8 ms (1.62 to 2.16), 4,444 items/s."


def test_a_bend_is_said_with_where_it_is_worst(surface):
    bent = BatchCurve(rows(surface, 1, 1.0, 8, 2.0, 32, 7.0, 128, 90.0))
    assert "% at the measured sizes (batch " in first_line(bent)
    assert "The line fits badly: trust the points." in first_line(bent)
    straight = BatchCurve(rows(surface, 1, 1.1, 8, 1.85, 32, 4.2))
    assert "fits badly" not in first_line(straight)


def test_two_batch_sizes_fix_a_line_but_do_not_test_it(surface):
    assert "fitted to two batch sizes, which do not show" in first_line(BatchCurve(rows(surface, 1, 1.1, 8, 1.8)))


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((1, 2.0, 8, 2.0, 64, 2.0), "No knee: a batch takes the same time at any size."),
        ((1, 2.0, 8, 16.0, 64, 128.0), "No knee: time grows in step with the batch, so throughput is 500 items/s"),
        ((1, 1.01, 8, 1.08, 64, 1.64), "Knee at batch 100, outside the measured sizes: half the peak of 100,000"),
        (
            (2, 2.5, 8, 8.5, 64, 64.5),
            "Knee below batch 1: one item at a time already gives more than half the peak of 1,000",
        ),
    ],
)
def test_no_knee_or_one_outside_is_said(surface, numbers, said):
    curve = BatchCurve(rows(surface, *numbers))
    assert said in first_line(curve)
    json.dumps(curve.state, allow_nan=False)


def test_an_unmeasured_batch_size_is_predicted(surface):
    curve = BatchCurve(surface, small(batch_size=32))
    assert (curve.state["current"], curve.state["predicted"]) == (None, True)
    assert curve.label.endswith("Batch 32: not measured; the line says 4.2 ms, 7,620 items/s.")


def test_one_batch_size_is_a_sentence(surface):
    curve = BatchCurve(surface[:1])
    assert "one batch size was timed, and a line needs two." in curve.label
    assert curve.state["fit"] is None
    assert curve.state["current"] == 0


def test_what_cannot_run_is_a_sentence_and_not_predicted(surface):
    curve = BatchCurve(surface, small(precision="int8", batch_size=8))
    assert curve.label == (
        "small, int8, eager, 1 thread: no batch size was timed.\nBatch 8: unsupported: no calibration inputs"
    )
    assert (curve.state["current"], curve.state["predicted"], curve.state["fit"]) == (None, False, None)
    assert "no batch size was timed" in BatchCurve(surface[-1:]).label


def test_precisions_that_are_not_timed_are_a_sentence(surface):
    weights = surface[:1].assign(precision="w4", **UNTIMED)
    curve = BatchCurve(pd.concat([surface, weights]), small(precision="w4"))
    assert curve.label == "small, w4, eager, 1 thread: no batch size was timed.\nBatch 1: not timed."
    json.dumps([curve.data, curve.state], allow_nan=False)


def test_knobs_that_nothing_was_measured_at_are_a_sentence(surface):
    curve = BatchCurve(surface, small(threads=3, batch_size=4))
    assert curve.label == "small, fp32, eager, 3 threads: no batch size was timed.\nBatch 4: not measured."
    assert curve.state["lines"] == {}


def test_an_empty_surface_is_a_sentence(surface):
    for curve in (BatchCurve(), BatchCurve(surface[:0])):
        assert curve.label == NOTHING
        assert "image/png" not in curve._repr_mimebundle_()[0]


def test_rows_of_another_machine_are_named(surface):
    curve = BatchCurve(surface.assign(machine="a larger one"))
    assert curve.label.endswith("\nRecorded on: a larger one.")
    assert "Recorded" not in BatchCurve(surface).label


def test_a_click_moves_and_can_be_repeated(surface):
    curve = BatchCurve(surface)
    for row in (4, 4, 7):
        curve.selected = row
        assert curve.selected is None
        assert curve.selection.batch_size == surface["batch_size"][row]
        assert curve.state["current"] == row


def test_as_a_display_it_leaves_clicks_to_others(surface):
    curve, heard = BatchCurve(), []
    curve.observe(lambda change: heard.append(change["new"]), "selected")
    curve.show_surface(surface)
    curve.show_view(view(surface, small()), small(), 2.5)
    assert curve.state["max_latency_ms"] == 2.5
    before = curve.state
    curve.selected = 4
    assert (heard, curve.state) == ([4], before)


def test_a_move_sends_row_numbers_and_no_rows(surface):
    curve = BatchCurve(surface)
    data = curve.data
    curve.selected = 4
    assert curve.data is data


def test_the_index_of_the_surface_plays_no_part_and_the_surface_stays_as_it_is(surface):
    odd = surface.set_index(pd.Index([7] * len(surface)))
    before = odd.copy(deep=True)
    assert BatchCurve(odd).label == BatchCurve(surface).label
    pd.testing.assert_frame_equal(odd, before)


def test_a_hostile_name_is_text(surface):
    curve = BatchCurve(surface.assign(model=HOSTILE))
    assert curve.label.startswith(HOSTILE)
    assert base64.b64decode(curve._repr_mimebundle_()[0]["image/png"]).startswith(b"\x89PNG")


def test_a_still_picture_stands_beside_it(surface):
    assert base64.b64decode(BatchCurve(surface)._repr_mimebundle_()[0]["image/png"]).startswith(b"\x89PNG")
    assert "image/png" not in BatchCurve(surface[-1:])._repr_mimebundle_()[0]


def test_surfaces_that_cannot_be_shown_are_refused(surface):
    with pytest.raises(ValueError, match=r"^surface: wanted the columns of a surface; it lacks precision"):
        BatchCurve(surface.drop(columns="precision"))
    two = pd.concat([surface, surface.assign(machine="another")])
    with pytest.raises(ValueError, match=r"^surface: wanted rows of one machine"):
        BatchCurve(two)


COST = st.just(0.0) | st.floats(1e-9, 1e6)


@given(COST, COST, st.integers(1, 10_000))
def test_every_line_can_be_said_and_sent(fixed, each, size):
    surface = table([])
    fit = BatchFit(fixed, each, (1, 8, 64), (0.1, -0.3, 0.0))
    config = small(batch_size=size)
    state = curve_state(view(surface, config), config, fit, None)
    json.dumps(state, allow_nan=False)
    if fixed or each:
        assert "nan" not in in_words(surface, config, fit)
        assert "inf" not in in_words(surface, config, fit)
