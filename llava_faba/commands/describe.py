"""Describe faces: pictures as text (or JSON), folders and clips as a table, an evaluation file as answers.jsonl.

--image prints what is said about one or a few pictures. --input with --csv writes a table, a row a face: of every
picture in a folder and below it, of what a "glob*" matches, of a clip at --fps frames a second. --data answers one
question about a whole data set. A table or a data set that was stopped goes on when the same command is given again.
Several machines share it with --shard, or with what torchrun, a Slurm array or an indexed job puts into the
environment; the shards' files, one after the other, are those of a single run (each table with its own header).
--engine ray does it by the actors of a Ray cluster instead, into one file.

--evidence measures the face by its landmarks and marks each sentence that names a movement or an AU as supported,
contradicted or not measurable: against what is usual in neutral faces, which cannot know a person whose own face at
rest is unusual, or with --neutral against a photo of the same person at rest.

--probabilities weighs, where an answer names an emotion or an AU, the words for the others in the same place; with
--samples N it counts how many of N sampled answers agree. `llava-faba score --calibrate` fits their temperature.

A picture of --data shows one face, and so does one of --image unless --crop finds the faces in it. --input finds all
faces unless --crop says largest, or no: each picture is a face already.

columns of the table:
  input, frame, timestamp        the file, the frame from 0 (0 for a picture), seconds from the clip's first frame
  face_id                        from 0, the largest face first; it follows nobody from frame to frame
  FaceRectX, FaceRectY, FaceRectWidth, FaceRectHeight, FaceScore    the box in pixels, dlib's score
  Pitch, Roll, Yaw               degrees: above 0 looking down, tilted clockwise, looking to the picture's right
  emotion, AU01 ... AU43         what the strict rules read in the answers; AUs 1 or 0; empty: undecided
  p_happiness ..., p_AU01 ...    with --probabilities; empty where the answer names nothing
  interocular_px, sharpness      distance of the eyes in pixels; about 0.1 for a blurred face, 0.5 for a sharp one
  brows_valid, eyes_valid, mouth_valid    1 seen, 0 covered or unclear
  mouth_corner_height ...        with --evidence; what the landmarks measure, in inter-ocular distances
  supported_au, contradicted_au  with --evidence; how many sentences of the answer; so for the emotion's
  answer_emotion, answer_au      the texts
  unread                         why there is no answer: no face, or a file that cannot be read; else empty

Without --model-path the starter answers, a small model that comes with the package.

With --server a model that `llava-faba serve` serves answers, or several servers share the work: nothing is loaded here.

examples:
  llava-faba describe --image FACE.jpg
  llava-faba describe --model-path llava-v1.5-7b-faba --image FACE.jpg
  llava-faba describe --model-path checkpoints/faba-lora --model-base llava-v1.5-7b --image FACE.jpg --json
  llava-faba describe --model-path llava-v1.5-7b-faba --image FACE.jpg --neutral SAME_PERSON_AT_REST.jpg
  llava-faba describe --model-path llava-v1.5-7b-faba --input photos --csv faces.csv --probabilities
  llava-faba describe --model-path llava-v1.5-7b-faba --input interview.mp4 --fps 5 --csv interview.csv
  llava-faba describe --model-path llava-v1.5-7b-faba --input "crops/**/*.png" --crop no --task au --csv aus.csv
  llava-faba describe --server http://gpu1:8000/v1 http://gpu2:8000/v1 --data eval_au.json --task au --out au.jsonl
  llava-faba describe --model-path llava-v1.5-7b-faba --data eval_au.json --image-root images --task au --out au.jsonl
  llava-faba describe --model-path llava-v1.5-7b-faba --input photos --csv faces.csv --engine ray --address auto
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from llava_faba.commands.describe_flags import check
from llava_faba.commands.devices import add_device, choose_device, select_detector
from llava_faba.commands.engines import actors_loading, add_engine, chosen_engine, loading_keywords
from llava_faba.commands.output import emit_json, say_written
from llava_faba.commands.servers import add_server, connect

SHOWN = 20  # rows without an answer that are listed at the end; the table has them all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    model = parser.add_argument_group("model")
    model.add_argument("--model-path", help="the model's folder: merged, full, or LoRA (default: the starter)")
    model.add_argument("--model-base", help="the base of a LoRA checkpoint (default: the one it names)")
    model.add_argument("--revision", help="branch, tag or commit of --model-path on the hub (default: main)")
    model.add_argument("--base-revision", help="the same for --model-base")
    add_device(model)
    model.add_argument("--load-8bit", action="store_true", help="quantise while loading (CUDA, bitsandbytes)")
    model.add_argument("--load-4bit", action="store_true")
    model.add_argument("--conv-mode", default="v1", help="LLaVA's conversation template (default: v1)")
    add_server(model)
    faces = parser.add_argument_group("faces")
    faces.add_argument("--image", nargs="+", metavar="FACE.jpg", help="pictures to describe")
    faces.add_argument("--input", nargs="+", metavar="IN", help="folders, globs, pictures or clips, for --csv")
    faces.add_argument("--data", metavar="EVAL.json", help="an evaluation file in FABA-Instruct's format")
    faces.add_argument("--image-root", help="the folder of the images (default: the folder of EVAL.json)")
    faces.add_argument("--crop", choices=["no", "largest", "all"], help="which faces (default: no; with --input: all)")
    faces.add_argument(
        "--detector",
        choices=["dlib", "hog", "insightface"],
        default="dlib",
        help="what finds faces: dlib looks twice, hog once and faster, insightface needs det_10g.onnx (default: dlib)",
    )
    faces.add_argument("--fps", type=float, help="frames a second of a clip of --input (default: 1)")
    asking = parser.add_argument_group("asking")
    asking.add_argument(
        "--task", action="append", choices=["emotion", "au"], help="may be given twice, but with --data once"
    )
    asking.add_argument("--question", help="ask this instead of the task's fixed question")
    asking.add_argument("--max-new-tokens", type=int, default=512)
    asking.add_argument("--probabilities", action="store_true", help="add that of each emotion, or of each AU")
    asking.add_argument(
        "--samples",
        type=int,
        default=0,
        metavar="N",
        help="--probabilities by how many of N sampled answers agree (default: by the words of the answer itself)",
    )
    asking.add_argument(
        "--evidence",
        action="store_true",
        help="set each sentence against what the landmarks show; with --input in columns",
    )
    asking.add_argument("--neutral", metavar="FACE.jpg", help="--evidence by the same person at rest, not by norms")
    asking.add_argument(
        "--batch-size", type=int, help="faces that are answered together (default: 16; with --server: 64)"
    )
    parser.add_argument("--out", metavar="answers.jsonl", help="where the answers of --data go")
    parser.add_argument("--csv", metavar="OUT.csv", help="where the table of --input goes")
    parser.add_argument("--shard", metavar="I/N", help="do part I of N, counted from 0 (default: the scheduler's)")
    add_engine(parser)
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="OUT", help="--image: JSON to a file; - or nothing: stdout"
    )


def run(args: argparse.Namespace) -> int:
    check(args)
    if not args.server:
        from llava_faba.host.compat import require_libraries
        from llava_faba.starter.folder import chosen_model

        require_libraries()
        args.model_path = chosen_model(args.model_path)
    select_detector(args.detector)
    if args.input:
        return _write_table(args)
    return _describe_pictures(args) if args.image else _answer_data(args)


def _describer(args: argparse.Namespace) -> Any:
    if args.server:
        return connect(args, args.batch_size)
    from llava_faba.inference.describer import Describer
    from llava_faba.processes import keep_memory

    choose_device(args)
    if args.device == "cpu":
        keep_memory()
    return Describer.from_pretrained(
        args.model_path, args.model_base, batch_size=args.batch_size, **loading_keywords(args)
    )


def _answer_data(args: argparse.Namespace) -> int:
    from llava_faba.errors import InputError

    if not args.out or len(args.task or []) != 1:
        raise InputError(
            f"--data was given with --out {args.out} and --task {' '.join(args.task or ['(none)'])}.",
            "A data set is one task's, and its answers go to a file.",
            "Give --task emotion or --task au once, and --out answers.jsonl.",
        )
    from llava_faba.data.fabainstruct import read_evaluation, refuse_missing_images
    from llava_faba.inference.dataset import answer_samples, run_record
    from llava_faba.inference.describer import Request
    from llava_faba.processes import parse_shard

    shard, out, data = parse_shard(args.shard), Path(args.out), Path(args.data)
    request = Request.of_tasks(args.task, args.question, args.max_new_tokens, args.probabilities, args.samples)
    samples = shard.part(read_evaluation(data, args.image_root or data.parent, args.task[0]))
    refuse_missing_images(samples)
    engine = chosen_engine(args, gpus=0 if args.device == "cpu" else None)
    if engine is not None:
        from llava_faba.inference.spread import answer_samples_on

        place = out, data, str(shard), args.image_root
        unread = answer_samples_on(engine, actors_loading(args), samples, request, *place)
    else:
        describer = _describer(args)
        record = run_record(describer, request, args.model_path, args.model_base, data, str(shard), args.image_root)
        unread = answer_samples(describer, samples, request, out, record)
    say_written(out, f"{len(samples)} answers, {unread} of them without a face that could be read")
    print(f"next: llava-faba score {out}", file=sys.stderr)
    return 0


def _write_table(args: argparse.Namespace) -> int:
    from llava_faba.inference.describer import Request
    from llava_faba.inference.inputs import find_files, is_clip
    from llava_faba.inference.table import FaceSelection, table_record, write_table
    from llava_faba.motion.frames import import_av
    from llava_faba.processes import parse_shard

    shard, out = parse_shard(args.shard), Path(args.csv)
    files = shard.part(find_files(args.input))
    if any(map(is_clip, files)):
        import_av()  # what is missing shows before a model is loaded
    asked = args.task, args.question, args.max_new_tokens, args.probabilities, args.samples, args.evidence
    request = Request.of_tasks(*asked)
    selection = FaceSelection(args.crop or "all", args.fps)
    engine = chosen_engine(args, gpus=0 if args.device == "cpu" else None)
    if engine is not None:
        from llava_faba.inference.spread import write_table_on

        summary = write_table_on(engine, actors_loading(args), files, request, selection, out, str(shard))
    else:
        describer = _describer(args)
        record = table_record(describer, args.model_path, args.model_base, files, request, selection)
        summary = write_table(describer, files, request, selection, out, {**record, "shard": str(shard)})
    for name, reason in summary.unread[:SHOWN]:
        print(f"{name}: {reason}", file=sys.stderr)
    without = f"; rows without an answer {len(summary.unread)}, which the column unread explains"
    say_written(out, f"faces described {summary.faces}, files read {len(files)}" + (without if summary.unread else ""))
    return 0 if summary.faces or not files else 1


def _describe_pictures(args: argparse.Namespace) -> int:
    from llava_faba.files import existing_file

    for image in args.image:
        existing_file(image, "image")
    from llava_faba.commands.output import print_face
    from llava_faba.evidence.records import read_neutral
    from llava_faba.inference.describer import Request
    from llava_faba.inference.photos import describe_photos

    neutral = read_neutral(args.neutral) if args.neutral else None

    judged = args.evidence or bool(neutral)
    request = Request.of_tasks(args.task, args.question, args.max_new_tokens, args.probabilities, args.samples, judged)
    described = describe_photos(_describer(args), args.image, request, args.crop or "no", neutral=neutral)
    if args.json:
        emit_json(described, args.json)
    for face in () if args.json else described:
        print_face(face)
    shown = {face["image"] for face in described}
    empty = [str(image) for image in args.image if str(image) not in shown]
    for image in empty:
        print(f"{image}: no face was found", file=sys.stderr)
    return 0 if described or not empty else 1
