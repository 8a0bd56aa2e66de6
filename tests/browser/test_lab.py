from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SLIDER = """
import ipywidgets

slider = ipywidgets.IntSlider(value=3, description="Batch")
label = ipywidgets.Label("batch 3")
slider.observe(lambda change: setattr(label, "value", f"batch {change.new}"), "value")
ipywidgets.VBox([slider, label])
"""


def test_lab_shows_no_pop_up_and_asks_no_other_machine(lab_server, notebook, page):
    requests = []
    page.on("request", lambda request: requests.append(urlsplit(request.url)))
    lab_server.write("quiet.ipynb", "1 + 1")
    notebook.open("quiet.ipynb")
    notebook.run_all()

    # The pop-up comes late, so also ask for what would bring it.
    news = "@jupyterlab/apputils-extension:announcements"
    assert not page.evaluate("name => window.jupyterapp.isPluginActivated(name)", news)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".Toastify__toast")).to_have_count(0)
    assert {url.hostname for url in requests if url.scheme.startswith("http")} == {"127.0.0.1"}
    assert not [url.path for url in requests if url.path.endswith(("/news", "/update"))]


def test_a_key_press_on_a_slider_reaches_the_kernel_and_comes_back(run_notebook):
    notebook = run_notebook("slider.ipynb", SLIDER)

    expect(notebook.root.get_by_text("batch 3", exact=True)).to_be_visible()
    notebook.root.get_by_role("slider").focus()
    notebook.page.keyboard.press("ArrowRight")
    expect(notebook.root.get_by_text("batch 4", exact=True)).to_be_visible()

    assert notebook.screenshot("slider.png").stat().st_size > 0
    assert notebook.errors() == []


def test_an_error_in_a_cell_is_reported(open_notebook):
    notebook = open_notebook("broken.ipynb", "print('fine')", "1 / 0", "print('never')")
    notebook.run_all()

    assert notebook.kernel_errors() == ["cell 1: ZeroDivisionError: division by zero"]
    assert [len(outputs) for outputs in notebook.cell_outputs()] == [1, 1, 0]
