"""The starter: the small model that the package brings along, so that everything answers on the first day."""
