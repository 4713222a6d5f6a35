"""A report about labelled images: one folder that opens from disk in a browser, with no server.

`build_report` reads a deployment's final bucket, and writes `index.html`, `data.json` and `images/`.
"""

from tools.report.build import Report, build_report
from tools.report.reading import FinalBucket, OfRun, ReportError, Selection, Since

__all__ = ["FinalBucket", "OfRun", "Report", "ReportError", "Selection", "Since", "build_report"]
