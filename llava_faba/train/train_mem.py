"""The entry of LLaVA's scripts, `llava/train/train_mem.py`, under our name: flash attention where it is installed."""

from llava_faba.train.lifecycle import end_process
from llava_faba.train.train import train

if __name__ == "__main__":
    train(attn_implementation="flash_attention_2")
    end_process()
