"""A clip -> landmarks over time and the motion measured from them, with gaps where nothing was seen; without torch."""
