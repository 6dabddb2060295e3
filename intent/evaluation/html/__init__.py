"""A report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from intent.evaluation.html.page import page

__all__ = ["page"]
