"""The numbers of one point."""
