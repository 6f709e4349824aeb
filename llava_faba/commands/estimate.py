"""Estimate the GPU memory of a training run, by part, before anything is loaded; what fits, and what would.

MODEL is the base model: a folder, OWNER/NAME on the hub (only its config.json is read), or llava-v1.5-7b or 13b and
vicuna-7b-v1.5 or 13b, whose sizes are known here. The flags are LLaVA's training flags; their defaults are those of
scripts/finetune_faba_lora.sh. The total is a range: from sequences as long as FABA-Instruct's to all at
--model_max_length. CUDA's own share is a rule of thumb.

examples:
  llava-faba estimate
  llava-faba estimate liuhaotian/llava-v1.5-13b --zero 3 --gpus 4 --gpu-memory 80
  llava-faba estimate llava-v1.5-7b --bits 4 --batch 4 --gpu-memory 24
  llava-faba estimate checkpoints/my-llava --lora_enable False --gpus 8 --json
"""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llava_faba.train.fit import Choice, Estimate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    truth = {"type": _truth, "nargs": "?", "const": True, "metavar": "True|False"}
    parser.add_argument("model", nargs="?", default="liuhaotian/llava-v1.5-7b", metavar="MODEL", help="the base model")
    parser.add_argument("--revision", help="branch, tag or commit of MODEL on the hub")
    parser.add_argument("--vision_tower", help="the vision tower (default: the one that MODEL's config.json names)")
    parser.add_argument("--facial_prior_tower", help="the facial prior that training adds, e.g. dlib_68")
    parser.add_argument("--facial_prior_hidden_size", type=int, help="the length of a prior that is read from files")
    parser.add_argument("--lora_enable", default=True, **truth, help="LoRA, or with --bits QLoRA; False: full training")
    parser.add_argument("--lora_r", type=int, default=128, help="the adapters' rank (default: 128)")
    parser.add_argument("--bits", type=int, choices=[4, 8, 16], default=16, help="of the base's weights (default: 16)")
    parser.add_argument("--zero", type=int, choices=[0, 1, 2, 3], help="stage of DeepSpeed's ZeRO, 0: no DeepSpeed")
    parser.add_argument("--offload", action="store_true", help="DeepSpeed keeps the optimiser's states off the GPU")
    parser.add_argument("--gpus", type=int, default=1, help="number of GPUs over all machines (default: 1)")
    parser.add_argument(
        "--per_device_train_batch_size", "--batch", type=int, default=16, help="samples on each GPU (default: 16)"
    )
    parser.add_argument("--model_max_length", type=int, default=2048, help="longest sequence, in tokens")
    parser.add_argument("--gradient_checkpointing", default=True, **truth, help="recompute activations (default: True)")
    parser.add_argument("--bf16", default=None, **truth, help="bfloat16 (default: True unless --fp16)")
    parser.add_argument("--fp16", default=False, **truth, help="float16")
    parser.add_argument("--tune_mm_mlp_adapter", default=False, **truth, help="train the projectors only")
    parser.add_argument("--gpu-memory", type=float, metavar="GIB", help="of one GPU (default: the one found here)")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="OUT.json", help="write the result; - is standard output"
    )


def run(args: argparse.Namespace) -> None:
    from dataclasses import asdict

    from llava_faba.commands.output import emit_json
    from llava_faba.prior import build_prior
    from llava_faba.train.fit import GIB, choices, estimate
    from llava_faba.train.recipe import Recipe, installed
    from llava_faba.train.shape import shape_of

    recipe = Recipe(
        lora_enable=args.lora_enable,
        lora_r=args.lora_r,
        bits=args.bits,
        zero=args.zero if args.zero is not None else 3 if args.bits == 16 else 2,
        gpus=args.gpus,
        per_device_train_batch_size=args.per_device_train_batch_size,
        model_max_length=args.model_max_length,
        gradient_checkpointing=args.gradient_checkpointing,
        bf16=not args.fp16 if args.bf16 is None else args.bf16,
        fp16=args.fp16,
        tune_mm_mlp_adapter=args.tune_mm_mlp_adapter,
        offload=args.offload,
        **installed(),
    )
    prior_size = args.facial_prior_hidden_size
    if args.facial_prior_tower:
        prior_size = build_prior(args.facial_prior_tower, size=prior_size).dim
    shape = shape_of(args.model, args.vision_tower, prior_size, args.revision)
    memory = args.gpu_memory * GIB if args.gpu_memory else _found_memory()
    found = estimate(shape, recipe)
    rows = choices(shape, recipe, memory) if memory else []
    if args.json:
        emit_json(
            {
                "model": args.model,
                "recipe": asdict(recipe),
                **found.as_json(memory),
                "choices": [asdict(row) for row in rows],
            },
            args.json,
        )
    if args.json != "-":
        print("\n".join(_report(args.model, found, memory, rows)))


def _report(model: str, found: "Estimate", memory: float | None, rows: "list[Choice]") -> list[str]:
    from llava_faba.train.fit import GAPS, GIB, LEAST_ALLOWANCE, MOST_ALLOWANCE

    recipe, least, most = found.recipe, found.least, found.most
    lengths = f"{found.length} tokens", f"{recipe.model_max_length} tokens"
    lines = [
        f"{model}: {recipe.method}, {recipe.bits} bits, ZeRO {recipe.zero}, {recipe.gpus} GPU(s), batch "
        f"{recipe.per_device_train_batch_size}",
        f"{'GiB on each GPU':<34}{lengths[0]:>14}{lengths[1]:>14}",
    ]
    lines += [f"{name:<34}{_gib(least.parts.get(name, 0))}{_gib(size)}" for name, size in most.parts.items()]
    allowance = MOST_ALLOWANCE + GAPS * most.total
    lines += [
        f"{'greatest at one moment':<34}{_gib(least.total)}{_gib(most.total)}",
        f"{'CUDA and gaps (rule of thumb)':<34}{_gib(LEAST_ALLOWANCE)}{_gib(allowance)}",
        f"{'total':<34}{_gib(found.low)}{_gib(found.high)}",
        f"Parts are not all there at once; most is needed at: {most.moment}.",
    ]
    if memory is None:
        return [*lines, "No GPU was found here: --gpu-memory GIB says what fits one."]
    lines.append(f"A GPU of {memory / GIB:.1f} GiB: {found.verdict(memory)}.")
    lines.append(f"\n{'BITS':>4} {'ZERO':>4}  largest BATCH that fits / may fit")
    for row in rows:
        lines.append(f"{row.bits:>4} {row.zero:>4}  {row.fits or 'none':>4} / {row.may_fit or 'none'}")
    return lines


def _gib(size: float) -> str:
    from llava_faba.train.fit import GIB

    return f"{size / GIB:>14.2f}"


def _found_memory() -> float | None:
    """The bytes of the smallest GPU here, by NVIDIA's own tool: asking torch would take seconds."""
    import shutil
    import subprocess

    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    asked = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.split()
        return min(float(number) for number in answer) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):  # no driver, no GPU
        return None


def _truth(text: str) -> bool:
    """True or False, as LLaVA's scripts write them."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"it is True or False, and not {text!r}")
    return text.lower() == "true"
