"""Attach llava-faba to LLaVA: rebind LLaVA's own names to our subclasses; the only module that rebinds.

LLaVA looks its classes up as module globals when `train()` and `load_pretrained_model()` run, so subclasses under those
names are all it takes. They go into the modules that use them, never into the one that defines them (rebinding.py).
"""

import functools
import importlib
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llava_faba.host import compat
from llava_faba.host.rebinding import Ledger, modules_using

_lock = threading.RLock()
_attachment: "Attachment | None" = None


@dataclass
class Attachment:
    """What `attach` changed; `detach` takes it all back."""

    ledger: Ledger = field(default_factory=Ledger)
    pairs: list[tuple[str, Any, Any]] = field(default_factory=list)  # (name, LLaVA's, ours)

    def replace_in_train(self, **names: Any) -> None:
        """Put other classes under names of llava.train.train, for training on something else than pictures of faces."""
        from llava.train import train

        for name, ours in names.items():
            self.ledger.rebind(train, name, ours)

    def detach(self) -> None:
        """Restore LLaVA and the libraries, also in modules that were imported meanwhile."""
        global _attachment
        with _lock:
            self.ledger.restore()
            for name, stock, ours in self.pairs:
                for module in _llava_modules():
                    if vars(module).get(name) is ours:
                        setattr(module, name, stock)
            compat.remove()
            if _attachment is self:
                _attachment = None


def attach() -> Attachment:
    """Teach the installed LLaVA our models: its train(), its loader and its tools then run with a facial prior.

    Calling it again changes nothing. Raises InputError where there is no LLaVA, one we do not know, or a transformers
    on which LLaVA cannot run; nothing is changed then.
    """
    global _attachment
    with _lock:
        if _attachment is None:
            compat.apply()  # imports llava, which through door 2 attaches already
        if _attachment is None:
            _attachment = _bind()
        return _attachment


def _bind() -> Attachment:
    from llava.model import builder, multimodal_encoder, multimodal_projector  # noqa: F401
    from llava.model.language_model import llava_llama
    from llava.train import llava_trainer, train

    from llava_faba.model.config import FabaLlavaConfig
    from llava_faba.model.modeling import FabaLlavaLlamaForCausalLM
    from llava_faba.model.prior_modules import build_facial_prior_projector, build_facial_prior_tower
    from llava_faba.train import arguments, saving
    from llava_faba.train import preflight as view
    from llava_faba.train.dataset import make_supervised_data_module
    from llava_faba.train.lifecycle import with_clean_exit
    from llava_faba.train.trainer import FabaTrainer

    attachment = Attachment()
    ledger = attachment.ledger

    def everywhere(name: str, stock: Any, ours: Any) -> None:
        attachment.pairs.append((name, stock, ours))
        for module in modules_using(stock, name, "llava"):
            ledger.rebind(module, name, ours)

    def in_train(name: str, ours: Any) -> None:
        """Names that llava.train.train both defines and uses; none of them calls `super` by its own global name."""
        attachment.pairs.append((name, getattr(train, name), ours))
        ledger.rebind(train, name, ours)

    everywhere("LlavaLlamaForCausalLM", llava_llama.LlavaLlamaForCausalLM, FabaLlavaLlamaForCausalLM)
    everywhere("LlavaConfig", llava_llama.LlavaConfig, FabaLlavaConfig)
    everywhere("LLaVATrainer", llava_trainer.LLaVATrainer, FabaTrainer)

    loader = _loader(builder.load_pretrained_model)
    everywhere("load_pretrained_model", builder.load_pretrained_model, loader)
    ledger.rebind(builder, "load_pretrained_model", loader)

    in_train("ModelArguments", arguments.FabaModelArguments)
    in_train("DataArguments", arguments.FabaDataArguments)
    in_train("TrainingArguments", arguments.FabaTrainingArguments)
    in_train("make_supervised_data_module", make_supervised_data_module)
    for name, make in {**saving.REPLACEMENTS, "train": with_clean_exit}.items():
        in_train(name, make(getattr(train, name)))
    ledger.rebind(train, "transformers", view.TransformersView(train.transformers))

    for module, build in (
        ("llava.model.multimodal_encoder.builder", build_facial_prior_tower),
        ("llava.model.multimodal_projector.builder", build_facial_prior_projector),
    ):
        ledger.rebind(importlib.import_module(module), build.__name__, build)
    return attachment


def _loader(stock: Callable[..., Any]) -> Callable[..., Any]:
    from llava_faba.model import checkpoint

    @functools.wraps(stock)
    def load_pretrained_model(model_path: str, *arguments: Any, **keywords: Any) -> Any:
        ours = checkpoint.is_ours(model_path)
        return (checkpoint.load_pretrained_model if ours else stock)(model_path, *arguments, **keywords)

    return load_pretrained_model


def _llava_modules() -> list[Any]:
    return [module for key, module in list(sys.modules.items()) if key == "llava" or key.startswith("llava.")]
