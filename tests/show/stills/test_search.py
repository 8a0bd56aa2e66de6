import math

import pandas as pd
import pytest
import tradespace as ts


@pytest.fixture
def runs():
    """Three seeds of two strategies; `ours` finds 4, 6 or 8 after a second and 9 after ten."""
    ours = [("ours", s, v, seed) for seed, first in enumerate((4.0, 6.0, 8.0)) for s, v in ((1.0, first), (10.0, 9.0))]
    random = [("random", float(s), s / 4, seed) for seed in range(3) for s in (2, 20)]
    return pd.DataFrame([*ours, *random], columns=["strategy", "seconds", "hypervolume", "seed"])


def line(figure, label):
    (found,) = [one for one in figure.axes[0].lines if one.get_label() == label]
    return found


def at(figure, label, seconds):
    """The height of a line drawn in steps."""
    x, y = line(figure, label).get_data()
    return y[x <= seconds][-1]


def test_each_strategy_is_the_median_of_its_seeds(runs):
    figure = ts.plot_search(runs)
    assert [at(figure, "ours", seconds) for seconds in (0, 0.9, 1, 9.9, 10, 20)] == [0, 0, 6, 6, 9, 9]
    assert [at(figure, "random", seconds) for seconds in (1, 2, 20)] == [0, 0.5, 5]


def test_the_band_holds_the_middle_of_the_seeds(runs):
    ours = ts.plot_search(runs).axes[0].collections[0].get_paths()[0].vertices
    during = ours[(ours[:, 0] > 1) & (ours[:, 0] < 10) | (ours[:, 0] == 1)]
    assert {4.4, 7.6} <= {round(float(y), 6) for y in during[:, 1]}


def test_axes_have_units_and_the_reference_is_told(runs):
    axes = ts.plot_search(runs).axes[0]
    assert axes.get_xlabel() == "time spent on measuring, s"
    assert axes.get_ylabel() == "hypervolume found"
    assert "1,000 ms, 1 item/s, accuracy 0" in axes.get_title(loc="left")
    assert "median of 3 seeds" in axes.get_title(loc="left")
    assert "down to 5 ms" in ts.plot_search(runs, caption="down to 5 ms").axes[0].get_title(loc="left")


def test_strategies_differ_in_colour_and_in_dashes(runs):
    many = pd.concat([runs.assign(strategy=name) for name in "abcdef"])
    drawn = [line(ts.plot_search(many), name) for name in "abcdef"]
    assert len({one.get_color() for one in drawn}) == len({str(one._unscaled_dash_pattern) for one in drawn}) == 6


def test_the_full_surface_is_a_line_across(runs):
    figure = ts.plot_search(runs, full=9.5)
    assert set(line(figure, "full surface, all Configs measured").get_ydata()) == {9.5}
    assert len(figure.legends[0].get_texts()) == 3
    assert len(ts.plot_search(runs).axes[0].lines) == 2


def test_a_run_never_loses_what_it_found(runs):
    falling = pd.DataFrame({"strategy": "a", "seconds": [2.0, 1.0], "hypervolume": [3.0, 5.0], "seed": 0})
    assert at(ts.plot_search(falling), "a", 2) == 5


def test_unknown_rows_are_left_out_and_one_row_is_enough(runs):
    unknown = runs.assign(hypervolume=math.nan, strategy="lost")
    figure = ts.plot_search(pd.concat([runs[:1], unknown]))
    figure.draw_without_rendering()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ours"]
    assert "one seed" in figure.axes[0].get_title(loc="left")
    ts.plot_search(runs[:1].assign(seconds=0.0)).draw_without_rendering()


def test_the_runs_are_left_as_they_were(runs):
    before = runs.copy(deep=True)
    ts.plot_search(runs, full=9.5)
    pd.testing.assert_frame_equal(runs, before)


def test_runs_without_rows_or_columns_are_refused(runs):
    with pytest.raises(ValueError, match=r"runs: wanted the columns .*; got none named seed"):
        ts.plot_search(runs.drop(columns="seed"))
    for nothing in (runs[:0], runs.assign(hypervolume=math.nan)):
        with pytest.raises(ValueError, match="runs: wanted at least one row"):
            ts.plot_search(nothing)
