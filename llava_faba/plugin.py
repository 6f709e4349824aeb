"""Attach llava-faba to LLaVA: the tables of every name of LLaVA that is rebound, and by what; nothing else rebinds one.

LLaVA looks its classes up as module globals when `train()` and `load_pretrained_model()` run, so subclasses under those
names are all it takes. A class is rebound in the modules that use it, never in the one that defines it: LLaVA writes
`super(LLaVATrainer, self)`, and a subclass under that name would call itself for ever.
"""

import importlib
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from llava_faba.host import compat
from llava_faba.host.rebinding import Ledger, modules_using


class Rebound(NamedTuple):
    """A name of LLaVA and what is put under it."""

    name: str
    home: str  # the module of LLaVA that defines it, or imports it
    ours: str  # module:attribute of this package
    how: str  # users: in all modules that use it; home: there; wrap: ours is made of theirs; add: a new name


LLAMA, BUILDER, TRAIN = "model.language_model.llava_llama", "model.builder", "train.train"
ENCODERS, PROJECTORS = "model.multimodal_encoder.builder", "model.multimodal_projector.builder"

IN_LLAVA = (
    Rebound("LlavaLlamaForCausalLM", LLAMA, "model.modeling:FabaLlavaLlamaForCausalLM", "users"),
    Rebound("LlavaConfig", LLAMA, "model.config:FabaLlavaConfig", "users"),
    Rebound("load_pretrained_model", BUILDER, "model.checkpoint:with_our_models", "wrap both"),
    Rebound("build_facial_prior_tower", ENCODERS, "model.prior_modules:build_facial_prior_tower", "add"),
    Rebound("build_facial_prior_projector", PROJECTORS, "model.prior_modules:build_facial_prior_projector", "add"),
    Rebound("LLaVATrainer", "train.llava_trainer", "train.trainer:FabaTrainer", "users"),
    Rebound("ModelArguments", TRAIN, "train.arguments:FabaModelArguments", "home"),
    Rebound("DataArguments", TRAIN, "train.arguments:FabaDataArguments", "home"),
    Rebound("TrainingArguments", TRAIN, "train.arguments:FabaTrainingArguments", "home"),
    Rebound("transformers", TRAIN, "train.preflight:TransformersView", "wrap home"),
    Rebound("make_supervised_data_module", TRAIN, "train.dataset:make_supervised_data_module", "home"),
    Rebound("get_peft_state_non_lora_maybe_zero_3", TRAIN, "train.saving:with_frozen_prior", "wrap home"),
    Rebound("safe_save_model_for_hf_trainer", TRAIN, "train.saving:with_cpu_saving", "wrap home"),
    Rebound("train", TRAIN, "train.lifecycle:with_clean_exit", "wrap home"),
    # host/compat.py puts the PIL image processor into LLaVA's clip_encoder: plain loading, without this, needs it too.
)

FOR_CLIPS = (  # on top of them while `llava_faba.video.train` runs
    Rebound("LlavaLlamaForCausalLM", TRAIN, "video.modeling:FeqaLlavaForCausalLM", "home"),
    Rebound("LLaVATrainer", TRAIN, "video.trainer:FeqaTrainer", "home"),
    Rebound("ModelArguments", TRAIN, "video.arguments:FeqaModelArguments", "home"),
    Rebound("DataArguments", TRAIN, "video.arguments:FeqaDataArguments", "home"),
    Rebound("make_supervised_data_module", TRAIN, "video.train:make_clip_data_module", "home"),
)

_lock = threading.RLock()
_attachment: "Attachment | None" = None


@dataclass
class Attachment:
    """What `attach` changed; `detach` takes it all back.

    >>> attachment = llava_faba.attach()  # doctest: +SKIP
    >>> attachment.detach()  # doctest: +SKIP
    """

    ledger: Ledger = field(default_factory=Ledger)
    pairs: list[tuple[str, Any, Any]] = field(default_factory=list)  # (name, LLaVA's, ours)

    def bind_clips(self) -> None:
        """Let LLaVA's train() run on clips; not undone but by `detach`."""
        self._bind(FOR_CLIPS)

    def detach(self) -> None:
        """Restore LLaVA and the libraries, also in modules that were imported meanwhile."""
        global _attachment
        with _lock:
            self.ledger.restore()
            for name, stock, ours in reversed(self.pairs):
                for module in _llava_modules():
                    if vars(module).get(name) is ours:
                        setattr(module, name, stock)
            compat.remove()
            if _attachment is self:
                _attachment = None

    def _bind(self, table: Iterable[Rebound]) -> None:
        # All is imported before anything is rebound: our classes extend LLaVA's own.
        rows = [(row, importlib.import_module(f"llava.{row.home}"), _ours(row)) for row in table]
        for row, home, ours in rows:
            stock = vars(home).get(row.name)
            if "wrap" in row.how:
                ours = ours(stock)
            modules = modules_using(stock, row.name, "llava") if row.how in ("users", "wrap both") else []
            for module in modules if row.how == "users" else [home, *modules]:
                self.ledger.rebind(module, row.name, ours)
            if row.how != "add":
                self.pairs.append((row.name, stock, ours))


def attach() -> Attachment:
    """Teach the installed LLaVA our models: its train(), its loader and its tools then run with a facial prior.

    Calling it again changes nothing. Raises InputError where there is no LLaVA, one on which we cannot build, or a
    transformers on which LLaVA cannot run; nothing is changed then.
    """
    global _attachment
    with _lock:
        if _attachment is None:
            compat.apply(training=True)  # imports llava, which through door 2 attaches already
        if _attachment is None:
            attachment = Attachment()
            from llava.model import builder, multimodal_encoder, multimodal_projector  # noqa: F401
            from llava.train import train  # noqa: F401 - they use the names

            attachment._bind(IN_LLAVA)
            _attachment = attachment
        return _attachment


def _ours(row: Rebound) -> Any:
    module, _, attribute = row.ours.partition(":")
    return getattr(importlib.import_module(f"llava_faba.{module}"), attribute)


def _llava_modules() -> list[Any]:
    return [module for key, module in list(sys.modules.items()) if key == "llava" or key.startswith("llava.")]
