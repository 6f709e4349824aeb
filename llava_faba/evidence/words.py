"""A text about a face -> the sentences that are judged one by one; what they claim is read in llava_faba/claims."""

import re


def split_sentences(text: str) -> list[str]:
    """Split at full stops, semicolons and line ends, but not within numbers."""
    return [part.strip() for part in re.split(r"(?<=[.!;?])\s+|\n+", text) if re.search(r"\w", part)]
