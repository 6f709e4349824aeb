"""What a run cannot use is one message that names the flag, before a model is loaded or a file written."""

import json
import os
import re
import shutil
import sys

import numpy as np
import pytest
import transformers

from llava_faba.errors import InputError, MissingDependencyError
from llava_faba.face import detectors
from tests.train.runs import flags, lines, make_data, train


@pytest.fixture
def parse(tiny_llava, face_data, tmp_path):
    """parse(**changed flags) -> LLaVA's three arguments, as its train() gets them."""
    from llava_faba.host import compat

    compat.apply(training=True)
    from llava_faba.train.arguments import FabaDataArguments, FabaModelArguments, FabaTrainingArguments
    from llava_faba.train.preflight import CheckedParser

    def parse(**changes):
        parser = CheckedParser((FabaModelArguments, FabaDataArguments, FabaTrainingArguments))
        return parser.parse_args_into_dataclasses(flags(tiny_llava, face_data, tmp_path / "out", **changes))

    environment = dict(os.environ)
    yield parse
    os.environ.clear()  # transformers 4.37 leaves the precision of parsed flags there, for the runs of later tests
    os.environ.update(environment)
    assert not (tmp_path / "out").exists()


def test_good_flags_are_a_record_of_the_run(parse, face_data):
    record = parse(lora_r=16, facial_prior_position="before")[2].faba_record
    assert record["data"][0]["file"] == "train.json" and len(record["data"][0]["sha256"]) == 64
    assert record["n_samples"] == 12 and record["trained"]["lora"]["r"] == 16 and record["seed"] == 42
    assert record["prior"] | {"name": "precomputed", "position": "before", "size": 7} == record["prior"]
    assert record["batch"] == {"per_device": 2, "gradient_accumulation": 1, "ranks": 1, "total": 2}
    assert record["versions"]["transformers"] and record["precision"] == "float32"
    assert record["flags"]["lora_r"] == 16 and "lora_dropout" not in record["flags"]
    json.dumps(record)


def test_a_run_says_and_keeps_how_much_memory_it_is_estimated_to_take(parse, capsys):
    memory = parse(lora_r=16)[2].faba_record["memory"]
    assert capsys.readouterr().err.count(memory["line"]) == 1
    assert memory["line"].startswith("estimated memory, each rank: ") and "LoRA, 16 bits, ZeRO 0" in memory["line"]
    assert memory["estimate"]["low_gib"] <= memory["estimate"]["high_gib"] and memory["measured_gib"] is None
    assert "trained: facial prior projector" in memory["estimate"]["parts_gib"]


LEGACY = transformers.__version__.startswith("4.")
QLORA_WITHOUT_LORA = "--bits is 4, and there is no CUDA device here" if LEGACY else "--bits is 4 without --lora_enable"
REFUSED = {
    "no such base": ({"model_name_or_path": "nowhere/at/all"}, "--model_name_or_path nowhere/at/all"),
    "no such model of the hub": ({"model_name_or_path": "nobody/no-such-model"}, "the hub did not give it"),
    "no vision tower there": ({"vision_tower": "nowhere/clip"}, "--vision_tower nowhere/clip is no folder"),
    "no vision tower given": ({"vision_tower": None}, "--vision_tower is not given"),
    "no such prior": ({"facial_prior_tower": "openface"}, "There is no facial prior 'openface'. Available: "),
    "stored priors of another prior": ({"facial_prior_tower": "insightface_2d106"}, "were made with 'made', version"),
    "a prior's flag without a prior": (
        {"facial_prior_tower": None, "facial_prior_hidden_size": None, "tune_only_facial_prior_projector": True},
        "--tune_only_facial_prior_projector is given, and there is no facial prior",
    ),
    "no such prior model": (
        {"facial_prior_tower": "emola_2d106", "facial_prior_model": "nowhere/2d106det.onnx"},
        "nowhere/2d106det.onnx",
    ),
    "no data": ({"data_path": None}, "--data_path is not given"),
    "no such data": ({"data_path": "nowhere/train.json"}, "training file --data_path nowhere/train.json does not"),
    "no such image folder": ({"image_folder": "nowhere"}, "--image_folder nowhere is no folder"),
    "no such DeepSpeed file": ({"deepspeed": "nowhere/zero2.json"}, "--deepspeed nowhere/zero2.json does not exist"),
    "no such projector": ({"pretrain_facial_prior_projector": "no.safetensors"}, "--pretrain_facial_prior_projector"),
    "QLoRA without adapters": ({"bits": 4, "lora_enable": False}, QLORA_WITHOUT_LORA),
    "strange bits": ({"bits": 3}, "--bits is 3"),
    "TF32 without a GPU": ({"tf32": True}, "--tf32 is True, and there is no CUDA device here"),
    "both half precisions": ({"bf16": True, "fp16": True}, "bf16"),
    "a misspelt choice": ({"facial_prior_position": "behind"}, "--facial_prior_position is 'behind'"),
    "a misspelt flag": ({"facial_prior_towr": "dlib_68"}, "Perhaps you mean --facial_prior_tower"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_the_flags_name(parse, name):
    changes, message = REFUSED[name]
    with pytest.raises(InputError, match=re.escape(message)):
        parse(**changes)


VALIDATION = {
    "no such file": ({"validation": "nowhere/eval.json"}, "validation file --validation nowhere/eval.json does not"),
    "a training file": ({"validation": "train.json"}, "it is a training sample"),
    "one task twice": ({"validation": ["emotion.json", "emotion.json"]}, "names two files of the task emotion"),
    "no steps": ({"validation_steps": 0}, "--validation_steps is 0. It is 1 or more."),
    "a strange metric": ({"validation_metric": "loss"}, "--validation_metric is loss. It is one of rege, s_re, s_ge."),
    "patience below nothing": ({"validation_patience": -1}, "--validation_patience is -1. It is 0 or more."),
    "a projector alone": ({"tune_mm_mlp_adapter": True}, "goes with LoRA and full training"),
}


@pytest.mark.parametrize("name", VALIDATION)
def test_a_validation_that_cannot_be_is_refused(parse, face_data, validation_files, name):
    changes, message = VALIDATION[name]
    chosen = {"validation": list(validation_files), **changes}
    names = [chosen["validation"]] if isinstance(chosen["validation"], str) else chosen["validation"]
    chosen["validation"] = [face_data.parent / file if "/" not in str(file) else file for file in names]
    with pytest.raises(InputError, match=re.escape(message)):
        parse(**chosen)


def test_faces_that_are_trained_on_are_refused_for_validation_or_a_warning(parse, face_data, validation_files, capsys):
    entries = json.loads(face_data.read_text())[:2]
    shared = [{"image": entry["image"], "label": "Happiness", "landmark": entry["landmark"]} for entry in entries]
    file = face_data.parent / "shared.json"
    file.write_text(json.dumps(json.loads(validation_files[0].read_text()) + shared))
    with pytest.raises(InputError, match=r"share 2 pictures \(images/0.png, images/1.png\)"):
        parse(validation=file)
    record = parse(validation=file, validation_allow_overlap=True)[2].faba_record["validation"]
    assert record["shared_with_training"] == {"pictures": 2, "people": 0} and "warning: " in capsys.readouterr().err


def test_faces_to_validate_on_are_drawn_by_their_seed_alone(parse, validation_files):
    """Whatever the run's own seed is; and without a label none can be scored."""
    drawn = []
    for more in ({}, {"seed": 7}, {"validation_seed": 5}):
        inputs = parse(validation=validation_files[0], validation_size=3, **more)[1].faba_inputs
        drawn.append([sample.id for sample in inputs.validation.all_samples()])
    assert drawn[0] == drawn[1] != drawn[2] and len(drawn[0]) == 3
    entries = json.loads(validation_files[0].read_text())
    del entries[1]["label"]
    unlabelled = validation_files[0].with_name("unlabelled.json")
    unlabelled.write_text(json.dumps(entries))
    with pytest.raises(InputError, match=r"1 of 5 samples of .* have no label, the first is 'images/v1.png'"):
        parse(validation=unlabelled)


def test_a_missing_deepspeed_names_the_extra(parse, monkeypatch):
    monkeypatch.setitem(sys.modules, "deepspeed", None)
    with pytest.raises(MissingDependencyError, match=r"--deepspeed needs the package deepspeed.*llava-faba\[train\]"):
        parse(deepspeed="scripts/zero2.json")


def test_a_missing_extra_of_the_prior_is_named_before_the_model_is_loaded(parse, monkeypatch, face_data, tmp_path):
    """Only where the prior has to read pictures: stored priors need no dlib."""
    monkeypatch.setitem(sys.modules, "dlib", None)
    for opened in (detectors._hog, detectors._predictor):  # by another test of this process
        opened.cache_clear()
    entries = json.loads(face_data.read_text())
    for entry in entries:
        del entry["landmark"]
    (tmp_path / "train.json").write_text(json.dumps(entries))
    prior = {"facial_prior_tower": "dlib_68", "facial_prior_hidden_size": None}
    with pytest.raises(MissingDependencyError, match="dlib"):
        parse(**prior, data_path=tmp_path / "train.json", image_folder=face_data.parent)


def without_manifest(face_data, folder, stored=True):
    """A copy of the faces as EmoLA's release has them: `.npy` files of 212 numbers, and no manifest."""
    shutil.copytree(face_data.parent, folder)
    (folder / "landmarks/manifest.json").unlink()
    entries = json.loads(face_data.read_text())
    for entry in entries:
        np.save(folder / entry["landmark"], np.ones(212, np.float32))
    if not stored:
        del entries[0]["landmark"]
    (folder / "train.json").write_text(json.dumps(entries))
    return {"data_path": folder / "train.json", "image_folder": folder}


EMOLA = {"facial_prior_tower": "emola_2d106", "facial_prior_hidden_size": None, "facial_prior_normalisation": None}


def test_stored_priors_alone_need_no_model_file(parse, face_data, tmp_path):
    """EmoLA's own .npy files, on a machine without 2d106det.onnx: nothing has to be read from a picture."""
    record = parse(**EMOLA, **without_manifest(face_data, tmp_path / "faces"))[2].faba_record
    assert record["prior"]["name"] == "emola_2d106" and record["prior"]["version"] is None


def test_a_face_without_a_stored_prior_needs_the_model_file(parse, face_data, tmp_path):
    with pytest.raises(InputError, match="The flag is --facial_prior_model"):
        parse(**EMOLA, **without_manifest(face_data, tmp_path / "faces", stored=False))


def test_vectors_from_files_tell_their_length(parse):
    parsed = parse(facial_prior_hidden_size=None)
    assert parsed[2].faba_record["prior"]["size"] == 7 and parsed[1].faba_inputs.vectors.shape == (12, 7)


@pytest.mark.parametrize("content", ["{", "[]", '{"id": 1}', '[{"id": "a", "image": "a.png"}]'])
def test_a_file_that_is_no_training_file_is_refused_before_the_model_is_loaded(parse, tmp_path, content):
    (tmp_path / "strange.json").write_text(content)
    with pytest.raises(InputError, match=r"strange\.json"):
        parse(data_path=tmp_path / "strange.json")


@pytest.fixture
def begun(tiny_llava, face_data, tmp_path, parse):
    """begun(**changed flags): what refuses, or not, a run in a folder where another has begun with the usual flags."""
    from llava_faba.train.record import write_record

    record = parse()[2].faba_record
    out = tmp_path / "begun"
    out.mkdir()
    write_record(out, record, None)
    return lambda **changes: parse(**{"output_dir": out, **changes})


def test_the_same_run_may_go_on_elsewhere_and_longer(begun):
    begun(max_steps=50, per_device_train_batch_size=1, gradient_accumulation_steps=2, logging_steps=5, bf16=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora_r": 8}, "trained.lora.r was 4 and is now 8"),
        ({"lora_enable": False}, "trained.method was 'lora' and is now 'full'"),
        ({"seed": 7}, "seed was 42 and is now 7"),
        ({"learning_rate": 5e-4}, "learning_rates.base was 0.001 and is now 0.0005"),
        ({"facial_prior_normalisation": "none"}, "prior.normalisation was 'fit' and is now 'none'"),
        ({"facial_prior_tower": None, "facial_prior_hidden_size": None}, "prior.name was 'precomputed'"),
    ],
)
def test_a_folder_of_another_run_is_refused_by_the_difference(begun, changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        begun(**changes)


def test_a_folder_of_a_run_on_other_data_is_refused(begun, face_data, tmp_path):
    shutil.copytree(face_data.parent, tmp_path / "other")
    entries = json.loads(face_data.read_text())
    (tmp_path / "other" / "train.json").write_text(json.dumps(entries[:6]))
    with pytest.raises(InputError, match=r"data\.train\.json was '\w+' and is now '\w+'"):
        begun(data_path=tmp_path / "other" / "train.json", image_folder=tmp_path / "other")


@pytest.mark.parametrize("name", ["config.json", "adapter_config.json", "checkpoint-50"])
def test_a_folder_of_a_model_without_a_record_is_never_written_into(parse, tmp_path, name):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / name).write_text("{}")
    with pytest.raises(InputError, match=rf"holds {name} and no run\.json"):
        parse(output_dir=tmp_path / "model")


def test_an_output_folder_that_is_a_file_is_refused(parse, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        parse(output_dir=tmp_path / "file")


@pytest.mark.slow
@pytest.mark.trust
@pytest.mark.parametrize("launcher", ["plain", "torchrun", "zero2"])
def test_a_run_that_cannot_start_says_so_once_and_writes_nothing(tiny_llava, face_data, tmp_path, launcher):
    """`No such image` is found by the data set, when the model is there already."""
    folder = tmp_path / "faces"
    shutil.copytree(face_data.parent, folder)
    (folder / "images" / "3.png").unlink()
    deepspeed = {"deepspeed": "scripts/zero2.json"} if launcher == "zero2" else {}
    ran = train(flags(tiny_llava, folder / "train.json", tmp_path / "out", **deepspeed), launcher, timeout=240)
    assert ran.returncode != 0
    assert len(lines(ran, "error: ")) == len(lines(ran, "error: Sample '3' names the image ")) == 1, ran.stdout
    assert "/llava_faba/" not in "".join(lines(ran, "  File ")), "a traceback of ours"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.trust
def test_what_one_rank_alone_finds_is_said_and_ends_all_of_them(tiny_llava, tmp_path):
    """A broken picture is met by one rank, in the middle of training, in a process that loads data for it."""
    data = make_data(tmp_path / "faces")
    broken = tmp_path / "faces" / "images" / "5.png"
    broken.write_bytes(broken.read_bytes()[:200])
    ran = train(flags(tiny_llava, data, tmp_path / "out", dataloader_num_workers=1), "torchrun", timeout=240)
    assert ran.returncode != 0
    assert len(lines(ran, "error: Sample '5': ")) == 1, lines(ran, "")[-30:]


@pytest.fixture(scope="module")
def base_with_prior(tiny_llava, tmp_path_factory):
    """A whole model with a prior of seven numbers before the visual tokens, as a base."""
    folder = tmp_path_factory.mktemp("base") / "llava-v1.5-tiny-prior"
    shutil.copytree(tiny_llava, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"facial_prior_tower": "precomputed", "facial_prior_hidden_size": 7, "facial_prior_position": "before"}
    config |= {"facial_prior_normalisation": "fit", "facial_prior_projector_type": "mlp2x_gelu"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("flag", "value", "kept"),
    [
        ("facial_prior_tower", "dlib_68", "precomputed"),
        ("facial_prior_position", "after", "before"),
        ("facial_prior_projector_type", "linear", "mlp2x_gelu"),
        ("facial_prior_normalisation", "none", "fit"),
        ("facial_prior_hidden_size", 35, 7),
    ],
)
def test_a_flag_that_contradicts_the_bases_prior_is_refused(parse, base_with_prior, flag, value, kept):
    """`after` is the flag's default: stated, it still contradicts."""
    stated = {"facial_prior_tower": None, "facial_prior_hidden_size": None, "facial_prior_normalisation": None}
    parse(model_name_or_path=base_with_prior, **stated)
    with pytest.raises(InputError, match=rf"--{flag} is .*{value}.*base model carries a prior with .*{kept}"):
        parse(model_name_or_path=base_with_prior, **{**stated, flag: value})


def test_relative_paths_are_written_from_the_root(parse, tiny_llava, monkeypatch):
    """A model that was trained with `--vision_tower clip` is loaded from another folder."""
    monkeypatch.chdir(tiny_llava)
    model_args = parse(vision_tower="clip", model_name_or_path=".")[0]
    assert model_args.vision_tower == str(tiny_llava / "clip") and model_args.model_name_or_path == str(tiny_llava)


@pytest.mark.parametrize(("parts", "deepspeed", "ranks", "complaint"), [
    (2, {"stage": 2}, 1, "on 2 ranks, and this run has 1"),
    (2, None, 2, "on 2 ranks, and this run uses none"),
    (0, {"stage": 2}, 2, "without DeepSpeed"),
    (2, {"stage": 2}, 2, None),
    (0, None, 5, None),
])  # fmt: skip
def test_a_changed_number_of_ranks_under_deepspeed_is_refused(tmp_path, parts, deepspeed, ranks, complaint):
    from llava_faba.train.saving import mark_complete, refuse_other_ranks

    folder = tmp_path / "checkpoint-4" / "global_step4"
    folder.mkdir(parents=True)
    for rank in range(parts):
        (folder / f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt").touch()
    mark_complete(folder.parent)
    if complaint is None:
        refuse_other_ranks(tmp_path, deepspeed, ranks)
    else:
        with pytest.raises(InputError, match=complaint):
            refuse_other_ranks(tmp_path, deepspeed, ranks)
