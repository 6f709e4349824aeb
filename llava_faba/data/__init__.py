"""Annotations -> batches: FABA-Instruct files, prompts, conversion from labelled sets, label masks."""
