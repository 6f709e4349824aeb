"""Text -> labels -> metric; no torch, no LLaVA."""
