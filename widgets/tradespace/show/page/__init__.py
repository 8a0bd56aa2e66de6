"""An Explorer as a page of its own."""
