"""Prior -> token -> LLM: config, projector, tower seam, model and checkpoints.

Shape legend: B batch, N patch tokens, T prior tokens, D the LLM's width, P prior length, F frames."""
