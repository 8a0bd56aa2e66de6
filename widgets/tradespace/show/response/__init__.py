"""How long requests waited for their responses, and for what."""
