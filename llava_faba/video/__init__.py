"""Clip -> severity + report: tracks, trajectories, fusion and the regression head."""
