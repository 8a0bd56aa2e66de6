"""In a package, fixtures may last for all tests of the folder."""
