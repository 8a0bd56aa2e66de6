"""Writing text: decoders, their weights and their tokenizers."""
