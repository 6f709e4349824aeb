"""What vLLM's entry point `vllm.general_plugins` calls in each of its processes: our classes for its registries."""

from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, missing_extra
from llava_faba.serving import ARCHITECTURE, MODEL_TYPE
from llava_faba.serving.versions import require_known

TOKENIZER_MODE = "llava_faba"
TEMPLATE = Path(__file__).with_name("vicuna_v1.jinja")  # LLaVA's conversation template v1
HERE = "llava_faba.serving"


def register() -> None:
    """Tell vLLM our configuration, tokenizer, chat template and model; more than once does no harm.

    In a vLLM that is not known, or without what our extra brings, only our own models are refused, when they are asked
    for; all others are served as ever.
    """
    from transformers import AutoConfig
    from vllm import ModelRegistry, __version__

    try:
        require_known(__version__)
        from llava_faba.serving.config import ServedConfig
    except InputError as refusal:
        AutoConfig.register(MODEL_TYPE, _refusing(refusal), exist_ok=True)
        return
    except ImportError as error:  # installed without its extra
        refusal = missing_extra(str(error.name), "vllm", "Serving a model with a facial prior")
        AutoConfig.register(MODEL_TYPE, _refusing(refusal), exist_ok=True)
        return
    if ARCHITECTURE in ModelRegistry.models:
        return
    from vllm.model_executor.models.config import MODELS_CONFIG_MAP, VerifyAndUpdateConfig
    from vllm.renderers.registry import RENDERER_REGISTRY
    from vllm.tokenizers import TokenizerRegistry
    from vllm.transformers_utils.chat_templates.registry import register_chat_template_fallback_path

    class OurTokenizer(VerifyAndUpdateConfig):
        """The tokenizer that a model of ours is served with, unless another one is asked for."""

        @staticmethod
        def verify_and_update_model_config(model_config: Any) -> None:
            if model_config.tokenizer_mode in ("auto", "hf"):
                model_config.tokenizer_mode = TOKENIZER_MODE

    AutoConfig.register(MODEL_TYPE, ServedConfig, exist_ok=True)
    TokenizerRegistry.register(TOKENIZER_MODE, f"{HERE}.tokenizer", "ServedTokenizer")
    RENDERER_REGISTRY.register(TOKENIZER_MODE, "vllm.renderers.hf", "HfRenderer")
    MODELS_CONFIG_MAP[ARCHITECTURE] = OurTokenizer
    register_chat_template_fallback_path(MODEL_TYPE, TEMPLATE)
    ModelRegistry.register_model(ARCHITECTURE, f"{HERE}.modeling:ServedFabaLlava")


def _refusing(refusal: InputError) -> Any:
    """A configuration that cannot be read, and says why."""
    from transformers import PretrainedConfig

    class Refused(PretrainedConfig):
        model_type = MODEL_TYPE

        @classmethod
        def from_dict(cls, stored: dict[str, Any], **keywords: Any) -> Any:
            raise refusal

    return Refused
