"""LLaVA's own train() under our names: arguments, trainer and the two entry modules."""
