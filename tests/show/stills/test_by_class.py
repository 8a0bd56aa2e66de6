import math

import numpy as np
import pandas as pd
import pytest
import tradespace as ts

CLASSES = ["bag", "shirt", "dress"]


@pytest.fixture
def table():
    """Of three classes one lost 2 items in 100, one lost 12, one gained 1."""
    return pd.DataFrame({
        "label": CLASSES, "items": 100, "accuracy": [0.88, 0.60, 0.81], "accuracy_lo": [0.8, 0.5, 0.72],
        "accuracy_hi": [0.93, 0.69, 0.87], "baseline_accuracy": [0.90, 0.72, 0.80],
        "lost": [3, 15, 0], "gained": [1, 3, 1], "p_value": [0.6, 0.008, 1.0],
    })  # fmt: skip


def test_the_most_forgotten_class_is_on_top(table):
    axes = ts.plot_by_class(table).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["shirt", "bag", "dress"]
    bottom, top = axes.get_ylim()
    assert bottom > top, "the first place is the highest"


def test_accuracy_now_has_its_interval_and_the_baseline_is_beside_it(table):
    figure = ts.plot_by_class(table)
    axes = figure.axes[0]
    (now,) = axes.containers
    assert now.has_xerr
    assert now.lines[0].get_xdata() == pytest.approx([0.60, 0.88, 0.81])
    (baseline,) = [line for line in axes.lines if line.get_label() == "baseline"]
    assert baseline.get_xdata() == pytest.approx([0.72, 0.90, 0.80])
    assert baseline.get_marker() != now.lines[0].get_marker()
    ends = [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()]
    assert np.array(ends) == pytest.approx(np.array([[0.72, 0.60], [0.90, 0.88], [0.80, 0.81]]))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["baseline", "now, with 95 % interval"]


def test_the_axis_is_in_per_cent(table):
    axes = ts.plot_by_class(table).axes[0]
    assert axes.get_xlabel() == "accuracy, %"
    assert axes.xaxis.get_major_formatter()(0.6, 0) == "60"


def test_what_was_lost_and_gained_stands_beside_it_bold_where_it_is_more_than_chance(table):
    counts = {
        text.get_text(): text.get_weight() for text in ts.plot_by_class(table).axes[0].texts if "+" in text.get_text()
    }
    assert counts == {"-15  +3": "bold", "-3  +1": "normal", "0  +1": "normal"}


def test_more_classes_make_a_taller_figure(table):
    many = pd.concat([table] * 10, ignore_index=True)
    assert ts.plot_by_class(many).get_figheight() > 2 * ts.plot_by_class(table).get_figheight()


def test_unknown_classes_are_left_out_and_one_is_enough(table):
    figure = ts.plot_by_class(table.assign(accuracy=[math.nan, 0.6, math.nan]))
    figure.draw_without_rendering()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["shirt"]


def test_the_table_is_left_as_it_was(table):
    before = table.copy(deep=True)
    ts.plot_by_class(table)
    pd.testing.assert_frame_equal(table, before)


def test_tables_without_a_baseline_or_rows_are_refused(table):
    without = table.drop(columns=["baseline_accuracy", "lost", "gained", "p_value"])
    with pytest.raises(
        ValueError, match=r"table: wanted the table that ts\.accuracy_by_class.* no baseline_accuracy, lost"
    ):
        ts.plot_by_class(without)
    for nothing in (table[:0], table.assign(accuracy=math.nan)):
        with pytest.raises(ValueError, match="table: wanted at least one class"):
            ts.plot_by_class(nothing)
