"""Sliders, fields and menus."""
