"""A card that asks for a guess."""
