"""Text + measured face -> which sentences the measurement supports, contradicts, or cannot judge.

What a sentence claims is read by llava_faba/claims; `verdict` sums up, `norms` says what is usual, `photo` compares
with a face's measures, and `motion` with a clip's.
"""
