"""The bar of an Explorer."""
