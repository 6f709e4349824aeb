"""Serve a model by vLLM: many requests at a time, over the protocol of OpenAI's API. Needs the extra [vllm].

The model is checked, the command and a request to try are printed, and vLLM takes over; what stands behind `--` goes to
vLLM. The picture of a request goes in as in any chat, the facial prior is read from it by the server. vLLM wants an
environment of its own, without LLaVA; docs/serving.md says how it is made. Other machines are let in by --host 0.0.0.0,
and then by a key: set VLLM_API_KEY.

examples:
  llava-faba serve --model-path llava-v1.5-7b-faba
  llava-faba serve --model-path llava-v1.5-7b-faba --given-priors -- --tensor-parallel-size 2
  llava-faba serve --model-path llava-v1.5-7b-faba --check
  llava-faba describe --server http://127.0.0.1:8000/v1 --image FACE.jpg
"""

import argparse
import os
import shlex
import sys

from llava_faba.commands.devices import DTYPES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model-path", metavar="MODEL", help="a merged model: folder or OWNER/NAME (default: starter)")
    parser.add_argument("--revision", help="branch, tag or commit of --model-path on the hub (default: main)")
    parser.add_argument("--name", help="the model's name in requests (default: that of its folder)")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000")
    parser.add_argument("--dtype", choices=DTYPES, help="default: float32 on a cpu, float16 on cuda")
    parser.add_argument("--given-priors", action="store_true", help="let requests bring priors that they know already")
    parser.add_argument("--check", action="store_true", help="check and print only; start nothing")
    parser.add_argument("vllm", nargs="*", metavar="-- FLAGS", help="flags of vLLM's own")


def run(args: argparse.Namespace) -> int:
    from llava_faba.serving.launch import LOOPBACK, check_servable, example_request, server_command
    from llava_faba.starter.folder import NAME, chosen_model

    folder = check_servable(chosen_model(args.model_path), args.revision)
    name = args.name or (folder.resolve().name if args.model_path else NAME)
    command = server_command(
        folder, name, args.host, args.port, args.dtype or _usual_dtype(), args.given_priors, args.vllm
    )
    address = f"http://{'127.0.0.1' if args.host in (*LOOPBACK, '0.0.0.0') else args.host}:{args.port}/v1"
    print(f"serving {name}: {shlex.join(command)}")
    print(f"\nonce it is up, ask it:\n  llava-faba describe --server {address} --image FACE.jpg")
    print(f"  {example_request(address, name)}\n", flush=True)
    if args.host not in LOOPBACK and not os.environ.get("VLLM_API_KEY"):
        print("Whoever reaches this port can ask it: no VLLM_API_KEY is set.", file=sys.stderr)
    if args.check:
        return 0
    os.execv(command[0], command)


def _usual_dtype() -> str:
    import torch

    return "float16" if torch.cuda.is_available() else "float32"
