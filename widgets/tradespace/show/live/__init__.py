"""Live charts and controls, one idea each: a .py that says what is sent, a .js that draws it, a .css for its looks."""
