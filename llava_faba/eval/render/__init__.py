"""Scores -> what people read: plain text, LaTeX, CSV and the HTML page."""
