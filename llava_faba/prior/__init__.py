"""Crop -> prior: the registry of facial priors, and the store that extracts them once."""
