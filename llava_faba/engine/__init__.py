"""The data engine: make, check and grow FABA-Instruct; text and pixels in, annotation files out, without torch."""
