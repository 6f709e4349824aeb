"""Stock LLaVA's train(), as far as the installed transformers runs it: `python -m tests.train.stock FLAGS`.

On transformers 4.37 it is LLaVA as installed, nothing of ours attached. On transformers 5 LLaVA does not run by itself;
there its own model, data set, masks, sampler and optimiser groups run, with what keeps them from starting put right:
the import shims (llava_faba.host.compat), three changed signatures of the Trainer, the names of flags, and a tokenizer
class. On both the seed is set where ours sets it: LLaVA makes LoRA's first weights before any seed is set.
"""

import transformers
from packaging.version import Version

if Version(transformers.__version__).major >= 5:
    from llava_faba.host import compat

    compat.apply(training=True)

from llava.train import train as stock
from llava.train.llava_trainer import LLaVATrainer


class Trainer5(LLaVATrainer):
    """LLaVA's trainer under transformers 5's names for its arguments."""

    def __init__(self, tokenizer=None, **keywords):
        super().__init__(processing_class=tokenizer, **keywords)

    def _get_train_sampler(self, dataset=None):
        return super()._get_train_sampler()

    def create_optimizer(self, model=None):
        return super().create_optimizer()


class Transformers5:
    """transformers, with the tokenizer class that tokenizer_config.json names."""

    AutoTokenizer = transformers.LlamaTokenizer

    def __getattr__(self, name):
        return getattr(transformers, name)


def seeded(arguments):
    """The training arguments, which set the seed when they are read."""

    class Seeded(arguments):
        def __post_init__(self):
            super().__post_init__()
            transformers.set_seed(self.seed)

    return Seeded


if __name__ == "__main__":
    if Version(transformers.__version__).major >= 5:
        from llava_faba.train.arguments import FabaTrainingArguments

        stock.LLaVATrainer, stock.transformers = Trainer5, Transformers5()
        stock.TrainingArguments = FabaTrainingArguments  # LLaVA's flags under the names that transformers 5 has
    else:
        stock.TrainingArguments = seeded(stock.TrainingArguments)
    stock.train()
