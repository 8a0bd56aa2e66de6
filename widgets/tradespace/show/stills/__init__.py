"""Charts that are only drawn, one file each."""
