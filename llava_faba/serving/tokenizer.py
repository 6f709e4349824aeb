"""Prompt -> token ids, the same as LLaVA's: the text between images is tokenised piece by piece.

Where `<image>` stands LLaVA puts an id of its own (-200), and vLLM wants one of the vocabulary. It is <unk>'s, which a
Llama tokenizer with byte fallback never gives for a text, unless somebody writes "<unk>".
"""

from pathlib import Path
from typing import Any

from transformers import BatchEncoding, LlamaTokenizer
from vllm.tokenizers.hf import get_cached_tokenizer

from llava_faba.errors import InputError
from llava_faba.model.tokenizer import load_tokenizer

IMAGE = "<image>"


class ServedTokenizer(LlamaTokenizer):
    """Llama's tokenizer with LLaVA's way around `<image>`; a prompt always begins with <s>."""

    @classmethod
    def from_pretrained(cls, folder: str | Path, *args: Any, **keywords: Any) -> Any:
        """Load a model's tokenizer: what vLLM's TokenizerRegistry calls, with arguments for any kind of tokenizer."""
        wanted = {key: keywords[key] for key in ("truncation_side", "revision", "token") if key in keywords}
        tokenizer = load_tokenizer(folder, **wanted)
        # Loaded as Llama's own class first: transformers 5 builds a subclass's tokenizer otherwise, with other ids.
        tokenizer.__class__ = cls
        return get_cached_tokenizer(tokenizer)

    def __call__(self, text: Any = None, *args: Any, **keywords: Any) -> BatchEncoding:
        """Tokenise a text, or each text of a list; the usual arguments of a tokenizer."""
        if isinstance(text, list) and all(isinstance(one, str) for one in text):
            rows = [self(one, *args, **keywords) for one in text]
            return BatchEncoding({key: [row[key] for row in rows] for key in rows[0]} if rows else {"input_ids": []})
        if not isinstance(text, str) or keywords.get("return_offsets_mapping"):
            return super().__call__(text, *args, **keywords)
        pieces = text.removeprefix(self.bos_token).split(IMAGE)
        ids = [self.bos_token_id] if keywords.get("add_special_tokens", True) or text.startswith(self.bos_token) else []
        for place, piece in enumerate(pieces):
            if place:
                ids.append(self.unk_token_id)
            read = super().__call__(piece, add_special_tokens=False)["input_ids"]
            if len(pieces) > 1 and self.unk_token_id in read:
                raise InputError(
                    f"The text beside the picture holds {self.unk_token}.",
                    "That token stands for the picture where vLLM reads the prompt.",
                    "Leave it out of the text.",
                )
            ids += read
        limit = keywords.get("max_length") if keywords.get("truncation") else None
        if limit is not None and len(ids) > limit:
            ids = ids[-limit:] if self.truncation_side == "left" else ids[:limit]
        return BatchEncoding({"input_ids": ids, "attention_mask": [1] * len(ids)})

    def encode(self, text: str, *args: Any, **keywords: Any) -> list[int]:
        """Return the token ids of a text."""
        return self(text, *args, **keywords)["input_ids"]
