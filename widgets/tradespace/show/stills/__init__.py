"""Charts without a widget, one file each."""
