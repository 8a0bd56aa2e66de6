"""These are experiments, run by `make bench`; pytest would import them in search of doctests."""

collect_ignore_glob = ["*.py"]
