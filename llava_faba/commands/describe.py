"""Describe faces: one picture or several as text (or JSON), or a whole evaluation file as answers.jsonl.

A data set's run that was stopped goes on when the same command is given again. Several machines share it with
--shard, or with what torchrun, a Slurm array or an indexed job puts into the environment; the shards' files, one
after the other, are those of a single run. A picture shows one face; with --crop the faces are found in it first.

examples:
  llava-faba describe --model-path llava-v1.5-7b-faba --image FACE.jpg
  llava-faba describe --model-path checkpoints/faba-lora --model-base llava-v1.5-7b --image FACE.jpg --json
  llava-faba describe --model-path llava-v1.5-7b-faba --data eval_au.json --image-root images --task au --out au.jsonl
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    model = parser.add_argument_group("model")
    model.add_argument("--model-path", required=True, help="the model's folder: merged, full, or a LoRA checkpoint")
    model.add_argument("--model-base", help="the base of a LoRA checkpoint (default: the one it names)")
    model.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    model.add_argument("--dtype", help="float32, float16 or bfloat16 (default: float32 on a cpu, float16 on cuda)")
    model.add_argument("--load-8bit", action="store_true", help="quantise while loading (CUDA, bitsandbytes)")
    model.add_argument("--load-4bit", action="store_true")
    model.add_argument("--conv-mode", default="v1", help="LLaVA's conversation template (default: v1)")
    faces = parser.add_argument_group("faces")
    faces.add_argument("--image", nargs="+", metavar="FACE.jpg", help="pictures to describe")
    faces.add_argument("--data", metavar="EVAL.json", help="an evaluation file in FABA-Instruct's format")
    faces.add_argument("--image-root", help="the folder of the images (default: the folder of EVAL.json)")
    faces.add_argument("--crop", choices=["no", "largest", "all"], default="no", help="find the faces in --image first")
    asking = parser.add_argument_group("asking")
    asking.add_argument("--task", action="append", choices=["emotion", "au"], help="may be given twice with --image")
    asking.add_argument("--question", help="ask this instead of the task's fixed question")
    asking.add_argument("--max-new-tokens", type=int, default=512)
    asking.add_argument(
        "--probabilities", action="store_true", help="--data: add the probability of each emotion, or of each AU"
    )
    asking.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--out", metavar="answers.jsonl", help="where the answers of --data go")
    parser.add_argument("--shard", metavar="I/N", help="do part I of N, counted from 0 (default: the scheduler's)")
    parser.add_argument("--json", nargs="?", const="-", metavar="OUT", help="JSON to a file; - or nothing: stdout")


def run(args: argparse.Namespace) -> int:
    from llava_faba.errors import InputError

    if bool(args.image) == bool(args.data):
        raise InputError(
            "Both --image and --data were given." if args.image else "Neither --image nor --data was given.",
            "Faces are pictures (--image) or an evaluation file (--data).",
            "Give one of them.",
        )
    for flag, value in (("--batch-size", args.batch_size), ("--max-new-tokens", args.max_new_tokens)):
        if value < 1:
            raise InputError(f"{flag} is {value}.", "It is 1 or more.", "Choose a larger number.")
    from llava_faba.host.compat import require_libraries

    require_libraries()
    return _describe_pictures(args) if args.image else _answer_data(args)


def _describer(args: argparse.Namespace) -> Any:
    import torch

    from llava_faba.describer import Describer

    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Describer.from_pretrained(
        args.model_path,
        args.model_base,
        device=device,
        dtype=args.dtype or ("float32" if device == "cpu" else "float16"),
        load_8bit=args.load_8bit,
        load_4bit=args.load_4bit,
        conversation=args.conv_mode,
        batch_size=args.batch_size,
    )


def _answer_data(args: argparse.Namespace) -> int:
    from llava_faba.errors import InputError

    if not args.out or len(args.task or []) != 1:
        raise InputError(
            f"--data was given with --out {args.out} and --task {' '.join(args.task or ['(none)'])}.",
            "A data set is one task's, and its answers go to a file.",
            "Give --task emotion or --task au once, and --out answers.jsonl.",
        )
    from llava_faba.answering import Question, answer_samples, refuse_missing_pictures, run_record
    from llava_faba.data.fabainstruct import read_evaluation
    from llava_faba.describer import question_of
    from llava_faba.shards import parse_shard

    shard, out, data = parse_shard(args.shard), Path(args.out), Path(args.data)
    asked = args.question or question_of(args.task[0])
    question = Question(args.task[0], asked, args.max_new_tokens, args.probabilities)
    samples = shard.part(read_evaluation(data, args.image_root or data.parent, question.task))
    refuse_missing_pictures(samples)
    describer = _describer(args)
    record = run_record(describer, question, args.model_path, args.model_base, data, str(shard))
    unread = answer_samples(describer, samples, question, out, record)
    print(
        f"written to {out}: {len(samples)} answers, {unread} of them without a face that could be read", file=sys.stderr
    )
    print(f"next: llava-faba score {out}", file=sys.stderr)
    return 0


def _describe_pictures(args: argparse.Namespace) -> int:
    from llava_faba.files import existing_file, write_json

    for image in args.image:
        existing_file(image, "image")
    from llava_faba.photo import describe_photos

    described = describe_photos(_describer(args), args.image, args.task, args.question, args.crop, args.max_new_tokens)
    if args.json == "-":
        print(json.dumps(described, indent=1, ensure_ascii=False))
    elif args.json:
        write_json(args.json, described)
    else:
        for face in described:
            print(f"{face['image']}" + (f", face at {face['box']}" if face.get("box") else ""))
            for answer in face["answers"]:
                print(f"  {answer['question']}\n  {answer['answer'] or '(no face could be read)'}")
                print(f"  recognised: {answer['recognised']}\n")
    return 0
