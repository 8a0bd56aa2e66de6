"""`python -m tradespace`: whether this machine is ready for the workbook. Exits with 1 if a check failed."""

from tradespace.lesson.preflight import preflight

# A measuring process imports this file as well.
if __name__ == "__main__":
    print("About half a minute...", flush=True)
    found = preflight()
    print(found)
    raise SystemExit(not found.passed)
