import importlib
import json
import sys
import types

import pytest
import torch
import tradespace
from tradespace.tasks.origin import is_own


@pytest.mark.parametrize("name", ["__main__", __name__, None, "a module that was never imported"])
def test_a_notebook_a_file_and_what_no_file_has_are_the_users_own(name):
    assert is_own(name)


@pytest.mark.parametrize("module", [json, json.decoder, sys, types, torch, torch.nn, torch._C, torch.ops, tradespace])
def test_pythons_modules_installed_ones_and_this_package_are_not(module):
    assert not is_own(module.__name__)


def test_a_folder_that_is_added_later_is_the_users_own_even_without_an_init_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "loose_files").mkdir()
    (tmp_path / "loose_files" / "some_code.py").write_text("")
    importlib.import_module("loose_files.some_code")
    assert is_own("loose_files")
    assert is_own("loose_files.some_code")


def test_what_is_installed_in_a_folder_that_is_added_later_is_not(tmp_path, monkeypatch):
    folder = tmp_path / "lib" / "site-packages"
    folder.mkdir(parents=True)
    (folder / "installed_there.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    importlib.import_module("installed_there")
    assert not is_own("installed_there")


def test_a_module_made_by_hand_is_the_users_own_and_is_not_asked_for_what_it_lacks(monkeypatch):
    class Lazy(types.ModuleType):
        def __getattr__(self, name):
            raise AssertionError(name)

    monkeypatch.setitem(sys.modules, "made_by_hand", Lazy("made_by_hand"))
    assert is_own("made_by_hand")
