import hashlib
import json
import re

import pytest
from tradespace.show.common.assets import SHOW, assets

NAMES = sorted(path.parent.name for path in SHOW.glob("*/widget.js"))
# The name of a bundle, and what it is built from.
BUNDLES = {**{name: f"{name}/widget.js" for name in NAMES}, "page": "page/page.js"}
SOURCES = sorted(path.relative_to(SHOW).as_posix() for path in SHOW.rglob("*.js") if path.parent.name != "bundle")


@pytest.mark.parametrize("name", BUNDLES)
def test_the_bundle_was_built_from_its_source(name):
    first_line = (SHOW / "bundle" / f"{name}.js").read_text().split("\n", 1)[0]
    built_from, digest = re.fullmatch(r"// Built by `make js` from (.+); SHA-256 ([0-9a-f]{64})", first_line).groups()
    files = [name for name in built_from.split(", ") if name.endswith(".js")]
    assert BUNDLES[name] in files
    content = b"".join((SHOW / name).read_bytes() for name in files)
    assert digest == hashlib.sha256(content).hexdigest(), "run `make js`"
    locked = json.loads((SHOW.parents[1] / "package-lock.json").read_text())["packages"]
    versions = {f"{path.split('node_modules/')[-1]} {package.get('version')}" for path, package in locked.items()}
    assert set(built_from.split(", ")) - set(files) <= versions, "run `make js`"


@pytest.mark.parametrize("name", BUNDLES)
def test_the_bundle_fetches_nothing(name):
    bundle = (SHOW / "bundle" / f"{name}.js").read_text()
    assert not re.search(r"\bfetch\(|XMLHttpRequest|import\(|from\s*[\"']http", bundle)


# Of `ahead` there is nothing to see.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "ahead"])
def test_each_has_a_class_and_a_style_of_its_own(name):
    script, style = assets(name)
    assert "export" in script
    assert (SHOW / name / "widget.py").exists()
    [own] = set(re.findall(r"tradespace tradespace-([a-z-]+)", (SHOW / name / "widget.js").read_text()))
    assert f".tradespace-{own}" in style


@pytest.mark.parametrize("name", SOURCES)
def test_what_comes_from_the_kernel_is_shown_as_text(name):
    source = (SHOW / name).read_text()
    assert ".html(" not in source
    assert "innerHTML" not in source
