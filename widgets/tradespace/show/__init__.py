"""Tables -> charts -> panels. The only room that imports matplotlib, seaborn, anywidget and ipywidgets."""
