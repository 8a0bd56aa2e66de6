import subprocess
import sys
from importlib.metadata import version

import pytest
import tradespace as ts


def python(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'torch', 'pandas', 'scipy', 'matplotlib', 'ipywidgets'}"
    assert python(f"import sys, tradespace; print({heavy} & set(sys.modules))") == "set()"


def test_the_version_is_that_of_the_installed_package():
    assert ts.__version__ == version("tradespace")


def test_the_version_is_looked_up_only_when_asked_for():
    program = "import sys, {}; print('importlib.metadata' in sys.modules)"
    assert python(program.format("lazy_loader, tradespace")) == python(program.format("lazy_loader"))


def test_a_name_that_is_not_public_is_refused():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ts.no_such_name


def test_a_surface_is_solved_and_explored_without_torch():
    program = """
import sys
sys.modules["torch"] = None
import pandas as pd
import tradespace as ts
surface = pd.DataFrame({"ms": [1.0, 2.0], "accuracy": [0.8, 0.9], "status": "ok"})
print(len(ts.pareto(surface, [ts.minimize("ms"), ts.maximize("accuracy")])),
      len(ts.solve(surface, ts.maximize("accuracy"), subject_to=[ts.at_most("ms", 1)])))
"""
    assert python(program) == "2 1"


def test_an_explorer_and_its_picture_need_no_scipy():
    program = """
import sys
import tradespace as ts
assert "image/png" in ts.Explorer(ts.load_task("fashion"))._repr_mimebundle_()
print("scipy" in sys.modules)
"""
    assert python(program) == "False"


def test_every_public_name_is_there_and_has_a_docstring():
    for name in ts.__all__:
        assert getattr(ts, name).__doc__, name


def test_measure_is_a_function_whatever_was_imported_first():
    program = "import tradespace as ts; ts.sweep; ts.Measurement; print(callable(ts.measure))"
    assert python(program) == "True"
