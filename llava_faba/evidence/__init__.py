"""Text + measured face -> which sentences the measurement supports, contradicts, or cannot judge.

`words` reads what a sentence claims, `verdict` sums up, `measures` measures a photo's face by its landmarks, `norms`
says what is usual, and `photo` compares. The same words serve clips, whose measurements are in `video/motion.py`.
"""
