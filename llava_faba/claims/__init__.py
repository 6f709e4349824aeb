"""Text about a face -> claims: what is said to be there or not, how strongly, on which side; nothing else is needed.

One reader for the benchmark's rules `strict` and for the evidence of photos and clips.
"""
