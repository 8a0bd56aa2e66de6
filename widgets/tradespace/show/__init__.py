"""Tables -> charts -> panels. The only room that imports matplotlib, anywidget and ipywidgets."""
