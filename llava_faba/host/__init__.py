"""All that changes LLaVA: attaching, compat shims, the facts about its files, and the patch. Nothing else does."""
