"""`python -m teaching solutions | slides | sheets | minutes | ranges`, from the folder `notebooks`."""

import sys

from teaching import minutes, pages, ranges, sheets

MAKE = {
    "solutions": pages.write_solutions,
    "slides": pages.write_slides,
    "sheets": sheets.write,
    "minutes": minutes.write,
    "ranges": ranges.write,
}

wanted = sys.argv[1:]
if not wanted or not set(wanted) <= set(MAKE):
    raise SystemExit(f"wanted some of {', '.join(MAKE)}; got {' '.join(wanted) or 'nothing'}")
for name in wanted:
    print(MAKE[name]())
