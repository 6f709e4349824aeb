"""Merge a LoRA checkpoint into its base model: one folder that LLaVA's tools and ours load without the base.

examples:
  llava-faba merge --model-path checkpoints/llava-v1.5-7b-faba-lora --model-base llava-v1.5-7b --out llava-v1.5-7b-faba
  llava-faba merge --model-path liuhaotian/llava-v1.5-7b-lora --model-base lmsys/vicuna-7b-v1.5 --out llava-v1.5-7b
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model-path", required=True, help="the LoRA checkpoint, ours, LLaVA's or EmoLA's: a folder or OWNER/NAME"
    )
    parser.add_argument("--model-base", help="the model it was trained on (default: the one the adapter names)")
    parser.add_argument("--revision", help="branch, tag or commit of --model-path on the hub (default: main)")
    parser.add_argument("--base-revision", help="the same for --model-base")
    parser.add_argument("--out", required=True, help="folder for the merged model; must be new or empty")
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], help="default: the base model's own")


def run(args: argparse.Namespace) -> None:
    from llava_faba.host.compat import require_libraries

    require_libraries()
    from llava_faba.model.merge import merge

    out = merge(
        args.model_path,
        args.model_base,
        args.out,
        args.dtype,
        revision=args.revision,
        base_revision=args.base_revision,
    )
    print(f"written to {out}\nnext: llava-faba describe --model-path {out} --image FACE.jpg")
