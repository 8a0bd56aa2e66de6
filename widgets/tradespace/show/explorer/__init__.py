"""The Explorer: its controls, its state, and what each move and number means."""
