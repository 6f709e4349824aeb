"""Serve the page on which people choose a face and ask about it; also over an API (gradio_client).

The page is up before the model is loaded. Without --model-path the starter answers, a small model that comes with the
package. On the tab Clip the motion of a face is measured, and with --clip-model-path assessed. The variable
LLAVA_FABA_DEMO_AUTH (user:password, several with commas between) asks visitors to sign in. Uploaded pictures are
deleted after an hour and at the end, clips once they were read.

examples:
  llava-faba demo
  llava-faba demo --model-path llava-v1.5-7b-faba --port 7860
  llava-faba demo --server http://127.0.0.1:8000/v1
  llava-faba demo --model-path checkpoints/faba-lora --model-base llava-v1.5-7b --load-4bit
  llava-faba demo --model-path llava-v1.5-7b-faba --compare-with llava-v1.5-7b
  llava-faba demo --model-path llava-v1.5-7b-faba --clip-model-path runs/feqa --clip-model-base llava-v1.5-7b
"""

import argparse
import re
import sys

from llava_faba.commands.servers import add_server, check_server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    model = parser.add_argument_group("model")
    model.add_argument("--model-path", metavar="MODEL", help="its folder: merged, full, or a LoRA checkpoint")
    model.add_argument("--model-base", help="the base of a LoRA checkpoint (default: the one it names)")
    model.add_argument("--revision", help="branch, tag or commit of --model-path on the hub (default: main)")
    model.add_argument("--base-revision", help="the same for --model-base")
    add_server(model)
    model.add_argument("--compare-with", metavar="MODEL", help="a second model, shown beside the first on one face")
    model.add_argument("--compare-revision", help="the same for --compare-with")
    model.add_argument("--clip-model-path", metavar="MODEL", help="a model of scripts/finetune_feqa_lora.sh, for clips")
    model.add_argument("--clip-model-base", help="the base of a LoRA checkpoint for clips (default: the one it names)")
    model.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    model.add_argument("--dtype", help="float32, float16 or bfloat16 (default: float32 on a cpu, float16 on cuda)")
    model.add_argument("--load-8bit", action="store_true", help="quantise while loading (CUDA, bitsandbytes)")
    model.add_argument("--load-4bit", action="store_true")
    model.add_argument("--conv-mode", default="v1", help="LLaVA's conversation template (default: v1)")
    model.add_argument("--max-new-tokens", type=int, default=512, help="of one answer (default: 512)")
    model.add_argument(
        "--detector",
        choices=["dlib", "hog", "insightface"],
        default="dlib",
        help="what finds faces: dlib looks twice, hog once, insightface needs det_10g.onnx (default: dlib)",
    )
    page = parser.add_argument_group("page")
    page.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in (default: 127.0.0.1)")
    page.add_argument("--port", type=int, help="default: the first free one from 7860")
    page.add_argument("--queue", type=int, default=32, help="requests that may wait before others are turned away")


def run(args: argparse.Namespace) -> None:
    from llava_faba.errors import InputError, missing_extra

    check_server(args)
    for flag, value in (("--max-new-tokens", args.max_new_tokens), ("--queue", args.queue)):
        if value < 1:
            raise InputError(f"{flag} is {value}.", "It is 1 or more.", "Choose a larger number.")
    if args.clip_model_base and not args.clip_model_path:
        raise InputError(
            "--clip-model-base is given without --clip-model-path.",
            "It is the base of the LoRA checkpoint that --clip-model-path names.",
            "Give both, or leave it out.",
        )
    if args.compare_revision and not args.compare_with:
        raise InputError(
            "--compare-revision is given without --compare-with.",
            "It is the branch, tag or commit of the model that --compare-with names.",
            "Give both, or leave it out.",
        )
    try:
        from llava_faba.demo.launch import launch
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "gradio":
            raise
        raise missing_extra("gradio", "demo", "The demo") from error
    from llava_faba.commands.devices import select_detector
    from llava_faba.demo.models import clip_service_of, service_of

    select_detector(args.detector)
    options = {
        "device": args.device,
        "dtype": args.dtype,
        "load_8bit": args.load_8bit,
        "load_4bit": args.load_4bit,
        "conversation": args.conv_mode,
        "max_new_tokens": args.max_new_tokens,
    }
    revisions = {"revision": args.revision, "base_revision": args.base_revision}
    if args.server:
        from llava_faba.demo.served import served_service_of

        service = served_service_of(args.server, args.server_model, args.max_new_tokens)
    else:
        service = service_of(args.model_path, args.model_base, **options, **revisions)
    other = (
        service_of(args.compare_with, None, **options, revision=args.compare_revision) if args.compare_with else None
    )
    place = {"device": args.device, "dtype": args.dtype}
    clips = clip_service_of(args.clip_model_path, args.clip_model_base, **place)
    if service.note:
        print(re.sub(r"<[^>]+>", "", service.note), file=sys.stderr)
    launch(service, other, clips, host=args.host, port=args.port, queue=args.queue)
