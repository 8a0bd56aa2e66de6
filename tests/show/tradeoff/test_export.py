"""HTML that is exported from an executed notebook shows a picture where a widget was."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import tradespace as ts

CONFIGS = Path(__file__).parents[3] / "widgets" / "jupyter" / "etc"


@pytest.fixture
def notebook(tmp_path):
    """With the outputs of one widget."""
    data, _ = ts.Predict("How many?", unit="times")._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    output = nbformat.v4.new_output("display_data", data)
    cell = nbformat.v4.new_code_cell("p", outputs=[output])
    path = tmp_path / "widget.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_the_picture_is_shown(notebook):
    config = CONFIGS / "jupyter_nbconvert_config.json"
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", "--config", str(config)]
    environment = os.environ | {"JUPYTER_NO_CONFIG": "1"}
    subprocess.run([*command, str(notebook)], check=True, capture_output=True, env=environment)
    html = notebook.with_suffix(".html").read_text(encoding="utf-8")
    assert 'src="data:image/png' in html
    assert "widget-view+json" not in html


def test_both_say_the_same():
    """One is for the command; JupyterLab's menu hands the other, the server's, to the same exporter."""
    one, other = (json.loads(path.read_text()) for path in sorted(CONFIGS.glob("jupyter_*.json")))
    assert one == other
