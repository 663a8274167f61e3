"""The report: everything a run recorded, as one self-contained HTML page."""
