"""A training run that is watched: llava_faba.train.train with the weights of the running engine written down.

`python -m tests.train.spy FLAGS` is door 1 and nothing else, except that into the folder $SPY go, for each rank N:
engine-N.safetensors (the prior's and LoRA weights, gathered from the engine at its end), writes-N.txt (what this
rank wrote, made, renamed or removed in the output folder) and priors-N.json (the dtypes in which priors reached the
model).
"""

import functools
import json
import os
import sys
from pathlib import Path

RANK = os.environ.get("RANK", "0")
SPY = Path(os.environ["SPY"])
OUT = sys.argv[sys.argv.index("--output_dir") + 1]
MODES = ("w", "a", "x", "+")
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "shutil.move"}


def note_writes(event: str, arguments: tuple) -> None:
    """Audit hook: what this process changes below the output folder."""
    if event == "open":
        path, mode, flags = arguments
        wrote = any(letter in (mode or "") for letter in MODES) or (isinstance(flags, int) and flags & os.O_WRONLY)
    else:
        path, wrote = arguments[0] if arguments else "", event in CHANGES
    if wrote and isinstance(path, str | os.PathLike) and os.fspath(path).startswith(OUT + os.sep):
        written.add(os.path.relpath(path, OUT))


def note_writers() -> None:
    """Watch torch and safetensors, which write from C++ and Rust; to be called before others import them."""
    import safetensors.torch
    import torch

    def noting(write, place):
        def noted(*arguments, **keywords):
            note_writes("open", (arguments[place], "w", 0))
            return write(*arguments, **keywords)

        return noted

    torch.save, safetensors.torch.save_file = noting(torch.save, 1), noting(safetensors.torch.save_file, 1)


def whole(weight):
    """A copy of a parameter on the CPU; under ZeRO-3 DeepSpeed itself puts its parts together."""
    if not hasattr(weight, "ds_id"):
        return weight.detach().cpu().clone().contiguous()
    from deepspeed import zero

    with zero.GatheredParameters([weight]):
        return weight.detach().cpu().clone().contiguous()


def watch() -> None:
    """Wrap the trainer's end and the model's reading of priors."""
    from safetensors.torch import save_file

    from llava_faba.model.modeling import FabaLlavaLlamaForCausalLM, FabaLlavaLlamaModel
    from llava_faba.model.weights import PRIOR_PREFIX, canonical_name
    from llava_faba.train.trainer import FabaTrainer

    save_state, forward = FabaTrainer.save_state, FabaLlavaLlamaForCausalLM.forward
    prior_tokens = FabaLlavaLlamaModel.prior_tokens
    dtypes: dict[str, list[str]] = {"forward": [], "prior_tokens": []}

    def spying_save_state(self):
        engine = getattr(self.model_wrapped, "module", self.model_wrapped)  # DeepSpeed's and DDP's own model
        named = {canonical_name(name): weight for name, weight in engine.named_parameters()}
        chosen = {name: weight for name, weight in named.items() if name.startswith(PRIOR_PREFIX) or "lora_" in name}
        save_file({name: whole(weight) for name, weight in chosen.items()}, SPY / f"engine-{RANK}.safetensors")
        (SPY / f"priors-{RANK}.json").write_text(json.dumps(dtypes))
        save_state(self)

    @functools.wraps(forward)  # the Trainer reads forward's signature
    def spying_forward(self, *arguments, facial_priors=None, **keywords):
        dtypes["forward"].append(str(getattr(facial_priors, "dtype", None)))
        return forward(self, *arguments, facial_priors=facial_priors, **keywords)

    def spying_prior_tokens(self, priors, valid=None):
        dtypes["prior_tokens"].append(str(priors.dtype))
        return prior_tokens(self, priors, valid)

    FabaTrainer.save_state = spying_save_state
    FabaLlavaLlamaForCausalLM.forward = spying_forward
    FabaLlavaLlamaModel.prior_tokens = spying_prior_tokens


if __name__ == "__main__":
    written: set[str] = set()
    sys.addaudithook(note_writes)
    note_writers()

    from llava_faba.plugin import attach
    from llava_faba.train.train import train

    attach()
    watch()
    try:
        train()
    finally:
        (SPY / f"writes-{RANK}.txt").write_text("\n".join(sorted(written)))
