import base64
import hashlib
import json
import re

import pytest
from tradespace.show.common.json import packed
from tradespace.show.page.document import document, page_path

HOSTILE = ["</script><script>alert(1)</script>", "<!--<script>", "]]>", "\u2028", "{script}", "\\u003c", "&lt;"]


def held(page):
    """The data of a page."""
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def test_whatever_the_data_say_they_are_data():
    page = document({"texts": HOSTILE})
    assert held(page) == {"texts": HOSTILE}
    assert len(re.findall("<script", page)) == len(re.findall("</script", page)) == 2
    assert "<!--" not in page


def test_the_browser_runs_the_script_of_the_page_alone_and_fetches_nothing():
    page = document({})
    [script] = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = re.findall(r'Content-Security-Policy" content="(.*?)"', page)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}';" in policy
    assert not re.search(r"\b(src|href)=|@import|url\(", page.replace(script, ""))


def test_what_json_cannot_hold_is_no_page():
    with pytest.raises(ValueError, match="JSON"):
        document({"latency": float("nan")})


@pytest.mark.parametrize("values", [[], [None], ["a"] * 9, [1.5, None, 1.5, 1.5], [*range(9)], ["", "?", "?", "?"]])
def test_a_packed_column_has_the_same_values(values):
    sent = packed(values)
    assert values == ([sent["of"][place] for place in sent["at"]] if isinstance(sent, dict) else sent)


@pytest.mark.parametrize("name", ["explorer", "explorer.htm", "explorer.html.gz", "", ".", "folder.html"])
def test_a_name_that_does_not_end_in_html_is_refused(tmp_path, name):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(
        ValueError, match=r"^path: wanted a file whose name ends in \.html, such as 'explorer\.html'; got"
    ):
        page_path(tmp_path / name)


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^path: wanted a file in a folder that exists; got .*none"):
        page_path(tmp_path / "none" / "explorer.html")


def test_what_is_no_path_is_refused():
    with pytest.raises(ValueError, match=r"^path: wanted the name of a file; got 7"):
        page_path(7)
