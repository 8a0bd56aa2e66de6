import numpy as np
import pytest
import tradespace as ts


def test_each_batch_size_is_a_line_of_medians_over_pauses_with_intervals(service):
    slower = {size: 3 * times for size, times in service.samples_ms.items()}
    paused = ts.ServiceTimes(service.samples_ms, config=service.config, machine="a box", paused_ms={0.3: slower})
    figure = ts.plot_pauses(paused)
    (axes,) = figure.axes
    assert [
        line.get_ydata().tolist() for line in axes.lines if len(line.get_ydata()) == 2 and line.get_marker() == "o"
    ] == [
        [pytest.approx(np.median(times)), pytest.approx(3 * np.median(times))]
        for times in (service.samples_ms[size] for size in (1, 4, 16))
    ]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["none", "0.3"]
    assert [text.get_text() for text in axes.texts] == ["batch 1", "batch 4", "batch 16"]
    assert "the median of a batch of 1 is 3 times as long, that of a batch of 16 is 3 times as long" in axes.get_title(
        loc="left"
    ).replace("\n", " ")
    assert axes.get_ylabel() == "median time of a batch\nand its 95 % interval, ms"
    assert figure.get_suptitle() == "a box"


def test_no_two_batch_sizes_stand_at_one_place(service):
    (axes,) = ts.plot_pauses(ts.ServiceTimes(service.samples_ms, paused_ms={0.3: service.samples_ms})).axes
    places = [line.get_xdata().tolist() for line in axes.lines if line.get_marker() == "o"]
    none, after = (sorted(across) for across in zip(*places, strict=True))
    assert none == pytest.approx([-0.12, 0, 0.12])
    assert after == pytest.approx([0.88, 1, 1.12])


def test_without_pauses_the_chart_says_so(service):
    (axes,) = ts.plot_pauses(service).axes
    assert [text.get_text() for text in axes.texts] == ["No times after pauses were measured."]


def test_what_are_no_service_times_is_refused():
    with pytest.raises(ValueError, match=r"^service: wanted what ts.service_times returns; got int$"):
        ts.plot_pauses(3)
