"""The commands of `llava-faba`: one module each, `add_arguments(parser)` and `run(args) -> exit status`; no logic."""
