"""A question about a face -> the token ids that LLaVA's model reads: its conversation template, tokenised."""

from collections.abc import Sequence
from typing import Any

from llava_faba.errors import InputError


class Prompt:
    """A conversation template with a tokenizer: questions to token ids, in two parts that meet at the image.

    What precedes the image is the same for every question, so that the model reads it once a face.

    >>> prompt = Prompt(tokenizer, "v1")  # doctest: +SKIP
    >>> prompt.before_question + prompt.question_ids("Which emotion is it?")  # doctest: +SKIP
    """

    def __init__(self, tokenizer: Any, template: str = "v1", *, marks_image: bool = False):
        """`marks_image`: the model was trained with LLaVA's mm_use_im_start_end."""
        from llava.conversation import conv_templates

        if template not in conv_templates:
            raise InputError(
                f"There is no conversation template {template!r}.",
                f"LLaVA has {', '.join(conv_templates)}.",
                "Use v1 for models on Vicuna 1.5, as LLaVA-1.5 and EmoLA.",
            )
        self._tokenizer, self._template = tokenizer, conv_templates[template]
        self._image = "<im_start><image><im_end>\n" if marks_image else "<image>\n"

    @property
    def before_question(self) -> list[int]:
        """Token ids of the system prompt and the roles, up to and with the image token."""
        return self._split(self._text(""))[0]

    def question_ids(self, question: str, earlier: Sequence[tuple[str, str]] = ()) -> list[int]:
        """Token ids, behind the image, of a question after `earlier` turns: pairs of question and answer."""
        return self._split(self._text(question, earlier))[1]

    def answer_ids(self, question: str, answer: str) -> tuple[list[int], list[int]]:
        """Token ids of a question, behind the image, and of the beginning of an answer to it."""
        asked = self.question_ids(question)
        both = self._split(f"{self._text(question)} {answer}")[1]
        common = next((n for n, (a, b) in enumerate(zip(asked, both, strict=False)) if a != b), len(asked))
        return both[:common], both[common:]

    def _text(self, question: str, earlier: Sequence[tuple[str, str]] = ()) -> str:
        conversation = self._template.copy()
        image = self._image
        for asked, answer in (*earlier, (question, None)):
            conversation.append_message(conversation.roles[0], image + asked)
            conversation.append_message(conversation.roles[1], answer)
            image = ""
        return conversation.get_prompt()

    def _split(self, text: str) -> tuple[list[int], list[int]]:
        """Token ids up to and with the image, and the ids behind it."""
        from llava.constants import IMAGE_TOKEN_INDEX
        from llava.mm_utils import tokenizer_image_token

        ids = tokenizer_image_token(text, self._tokenizer, IMAGE_TOKEN_INDEX)
        image = ids.index(IMAGE_TOKEN_INDEX)
        return ids[: image + 1], ids[image + 1 :]


def prepare_pixels(pictures: Sequence[Any], image_processor: Any, config: Any) -> Any:
    """Pictures (PIL, RGB) -> pixels (B, 3, height, width) by LLaVA's own preprocessing (config.image_aspect_ratio)."""
    from llava.mm_utils import process_images

    return process_images(list(pictures), image_processor, config)
