"""The supervised data set is LLaVA's where no prior is asked for, and carries priors where one is bound."""

import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from llava_faba.errors import InputError, MissingFileError
from llava_faba.prior import FacialPrior
from tests.conftest import shared_path

QUESTION = "What emotions are conveyed by this face?\n<image>"


class MeanColour(FacialPrior):
    """A prior that reads the mean colour of a picture, and no face in a black one; it counts what it reads."""

    name, dim, version = "mean_colour", 3, "1"

    def __init__(self):
        self.reads = 0

    def read(self, crop):
        self.reads += 1
        return crop.mean((0, 1)) if crop.any() else None


@pytest.fixture(scope="module")
def processor():
    import transformers

    kind = getattr(transformers, "CLIPImageProcessorPil", transformers.CLIPImageProcessor)
    return kind(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})


@pytest.fixture
def faces(tmp_path):
    """Four pictures of odd sizes, the last one black, and a training file of two tasks that share the first picture."""
    random = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    entries = []
    for number, (height, width) in enumerate([(40, 30), (30, 41), (33, 33), (20, 20)]):
        pixels = random.integers(1, 255, (height, width, 3), np.uint8) * (number != 3)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"images/{number}.png")
        answer = ["Happiness, she smiles.", "Fear.", "She looks happy.", "Neutral."][number]
        turns = [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": answer}]
        entries.append({"id": f"face-{number}", "image": f"{number}.png", "conversations": turns})
    (tmp_path / "emotion.json").write_text(json.dumps(entries))
    turns = [{"from": "human", "value": "<image>\nWhat AUs?"}, {"from": "gpt", "value": "AU6, AU12"}]
    (tmp_path / "au.json").write_text(json.dumps([{"id": "face-0", "image": "0.png", "conversations": turns}]))
    return tmp_path


@pytest.fixture
def data_args(faces, processor):
    from llava.train.train import DataArguments

    arguments = DataArguments(data_path=str(faces / "emotion.json"), image_folder=str(faces / "images"))
    arguments.is_multimodal, arguments.mm_use_im_start_end, arguments.image_processor = True, False, processor
    return arguments


@pytest.mark.parametrize("aspect", ["pad", "square"])
def test_without_a_prior_samples_and_batches_are_llavas_own(data_args, tokenizer, aspect):
    from llava.train import train as stock

    from llava_faba.train.dataset import make_supervised_data_module

    data_args.image_aspect_ratio = aspect
    theirs, ours = (
        make(tokenizer, data_args) for make in (stock.make_supervised_data_module, make_supervised_data_module)
    )
    assert set(ours) == set(theirs) and ours["eval_dataset"] is None
    dataset, original = ours["train_dataset"], theirs["train_dataset"]
    assert isinstance(dataset, stock.LazySupervisedDataset)
    assert (dataset.lengths, dataset.modality_lengths) == (original.lengths, original.modality_lengths)
    assert len(dataset) == len(original) == 4
    for one, two in zip(map(dataset.__getitem__, range(4)), map(original.__getitem__, range(4)), strict=True):
        assert one.keys() == two.keys() == {"input_ids", "labels", "image"}
        assert all(torch.equal(one[key], two[key]) and one[key].dtype == two[key].dtype for key in one)
    batch, expected = (
        ours["data_collator"]([dataset[0], dataset[1]]),
        theirs["data_collator"]([original[0], original[1]]),
    )
    assert batch.keys() == expected.keys() and all(torch.equal(batch[key], expected[key]) for key in batch)


def test_several_files_are_one_training_set(data_args, tokenizer, faces):
    from llava_faba.train.dataset import FaceDataset, data_files

    both = [str(faces / "emotion.json"), str(faces / "au.json")]
    assert data_files(",".join(both)) == data_files(both) == [faces / "emotion.json", faces / "au.json"]
    dataset = FaceDataset(both, tokenizer, data_args)
    assert len(dataset) == len(dataset.list_data_dict) == 5
    assert "AU6, AU12" in tokenizer.decode(dataset[4]["labels"][dataset[4]["labels"] >= 0])


def test_a_file_with_a_comma_in_its_name_is_one_file(tmp_path):
    from llava_faba.train.dataset import data_files

    (tmp_path / "a,b.json").touch()
    assert data_files(str(tmp_path / "a,b.json")) == [tmp_path / "a,b.json"]


def test_a_bound_prior_travels_with_samples_and_batches(data_args, tokenizer, faces, capfd):
    from llava_faba.train.dataset import make_supervised_data_module

    data_args.data_path = [str(faces / "emotion.json"), str(faces / "au.json")]
    module, prior = make_supervised_data_module(tokenizer, data_args), MeanColour()
    dataset = module["train_dataset"]
    dataset.bind_prior(prior, keep_unread=False)
    said = capfd.readouterr().err
    assert "no face read in 1 of 5 samples, left out: face-3" in said and dataset.unread == ["face-3"]
    assert prior.reads == 4, "a picture that two tasks share is read once"
    assert len(dataset) == 4 and [sample.id for sample in dataset.samples] == ["face-0", "face-1", "face-2", "face-0"]
    assert dataset.prior_matrix().shape == (4, 3) and dataset.prior_matrix().dtype == np.float32
    batch = module["data_collator"]([dataset[1], dataset[3]])
    assert batch["facial_priors"].dtype == torch.float32 and batch["facial_prior_valid"].tolist() == [True, True]
    expected = [np.asarray(Image.open(faces / f"images/{n}.png")).mean((0, 1)) for n in (1, 0)]
    np.testing.assert_allclose(batch["facial_priors"].numpy(), expected, rtol=1e-6)
    assert prior.reads == 4, "reading a sample does not read its picture's prior again"


def test_a_face_that_was_not_read_is_kept_with_a_mask_where_an_empty_prior_stands_in(data_args, tokenizer):
    from llava_faba.train.dataset import FaceDataset

    dataset = FaceDataset(data_args.data_path, tokenizer, data_args)
    dataset.bind_prior(MeanColour(), keep_unread=True)
    assert len(dataset) == 4 and dataset.unread == ["face-3"] and len(dataset.prior_matrix()) == 3
    assert not dataset[3]["facial_prior_valid"] and dataset[3]["facial_prior"].tolist() == [0, 0, 0]


@pytest.fixture
def stored(faces):
    """What `llava-faba priors` leaves: files for three faces, and the fourth listed as unread."""
    entries, store = json.loads((faces / "emotion.json").read_text()), faces / "priors"
    store.mkdir()
    for number, entry in enumerate(entries[:3]):
        np.save(store / f"{entry['id']}.npy", np.full(3, number, np.float32))
        entry["landmark"] = f"{entry['id']}.npy"
    (store / "data.json").write_text(json.dumps(entries))
    (store / "manifest.json").write_text(json.dumps({"prior": "mean_colour", "version": "1", "P": 3}))
    (store / "unread.jsonl").write_text('{"id": "face-3", "reason": "no face"}\n')
    return store


def test_stored_priors_win_over_the_pictures(data_args, tokenizer, stored, capfd):
    from llava_faba.train.dataset import FaceDataset

    prior = MeanColour()
    dataset = FaceDataset(str(stored / "data.json"), tokenizer, data_args)
    dataset.bind_prior(prior, keep_unread=True)
    assert prior.reads == 0 and dataset.unread == ["face-3"]
    assert dataset.prior_matrix().tolist() == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    assert dataset[2]["facial_prior"].tolist() == [2, 2, 2] and not dataset[3]["facial_prior_valid"]
    assert "are read now" not in capfd.readouterr().err


@pytest.mark.parametrize("manifest", [{"prior": "dlib_68", "version": "1"}, {"prior": "mean_colour", "version": "2"}])
def test_stored_priors_of_another_kind_are_refused(data_args, tokenizer, stored, manifest):
    from llava_faba.train.dataset import FaceDataset

    (stored / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"manifest\.json"):
        FaceDataset(str(stored / "data.json"), tokenizer, data_args).bind_prior(MeanColour(), keep_unread=True)


@pytest.mark.parametrize("content", [None, np.zeros(4, np.float32), np.array([0, np.nan, 0], np.float32), b"text"])
def test_a_stored_prior_that_cannot_be_used_is_refused_with_the_samples_id(data_args, tokenizer, stored, content):
    from llava_faba.train.dataset import FaceDataset

    path = stored / "face-1.npy"
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(InputError, match=r"face-1.*face-1\.npy"):
        FaceDataset(str(stored / "data.json"), tokenizer, data_args).bind_prior(MeanColour(), keep_unread=True)


def test_precomputed_priors_take_their_length_from_the_files(data_args, tokenizer, stored):
    from llava_faba.prior import build_prior
    from llava_faba.train.dataset import FaceDataset

    dataset = FaceDataset(str(stored / "data.json"), tokenizer, data_args)
    dataset.bind_prior(build_prior("precomputed"), keep_unread=False)
    assert dataset.prior_matrix().shape == (3, 3) and dataset.unread == ["face-3"]


def test_data_that_the_released_emola_was_trained_with_binds_its_landmark_files(data_args, tokenizer):
    from llava_faba.prior import build_prior
    from llava_faba.train.dataset import FaceDataset

    root = shared_path("reference", "emola_checkpoint", "data")
    data_args.image_folder = str(root)
    dataset = FaceDataset(str(root / "train.json"), tokenizer, data_args)
    dataset.bind_prior(build_prior("precomputed"), keep_unread=False)
    assert len(dataset) == 8 and dataset.unread == [] and dataset.prior_matrix().shape == (8, 212)
    np.testing.assert_array_equal(dataset[3]["facial_prior"], np.load(root / "landmarks/3.npy").ravel())
    assert "appears to show happiness" in tokenizer.decode(dataset[0]["labels"][dataset[0]["labels"] >= 0])


def test_text_without_a_picture_is_never_counted_as_a_lost_face(data_args, tokenizer, faces):
    from llava_faba.train.dataset import FaceDataset

    turns = [{"from": "human", "value": "What is AU6?"}, {"from": "gpt", "value": "The cheek raiser."}]
    (faces / "text.json").write_text(json.dumps([{"id": "text", "conversations": turns}]))
    dataset = FaceDataset(f"{data_args.data_path},{faces / 'text.json'}", tokenizer, data_args)
    dataset.bind_prior(MeanColour(), keep_unread=False)
    assert [sample.id for sample in dataset.samples] == ["face-0", "face-1", "face-2", "text"]
    item = dataset[3]
    assert item["image"].shape == (3, 28, 28) and not item["image"].any()
    assert item["facial_prior_valid"] and not item["facial_prior"].any(), "its token is never used, nor missed"
    assert len(dataset.prior_matrix()) == 3, "nor does it enter the normalisation"
    assert dataset.modality_lengths[3] < 0


def test_a_training_set_without_any_face_is_refused(data_args, tokenizer, faces):
    from llava_faba.train.dataset import FaceDataset

    for number in range(4):
        Image.new("RGB", (20, 20)).save(faces / f"images/{number}.png")
    with pytest.raises(InputError, match="read no face in any of the 4 images"):
        FaceDataset(data_args.data_path, tokenizer, data_args).bind_prior(MeanColour(), keep_unread=True)


def test_a_missing_image_is_refused_before_training_with_the_samples_id(data_args, tokenizer, faces):
    from llava_faba.train.dataset import FaceDataset

    (faces / "images/2.png").unlink()
    with pytest.raises(MissingFileError, match=r"face-2.*2\.png.*1 of 4"):
        FaceDataset(data_args.data_path, tokenizer, data_args)


def test_a_broken_image_is_refused_with_the_samples_id(data_args, tokenizer, faces):
    from llava_faba.train.dataset import FaceDataset

    path = faces / "images/1.png"
    path.write_bytes(path.read_bytes()[:200])
    dataset = FaceDataset(data_args.data_path, tokenizer, data_args)
    with pytest.raises(InputError, match="face-1"):
        dataset[1]
    with pytest.raises(InputError, match="face-1"):
        dataset.bind_prior(MeanColour(), keep_unread=True)


def test_a_sample_whose_answer_is_cut_off_whole_is_refused_before_training(data_args, tokenizer, faces):
    """LLaVA trains on such a sample with nothing in it; `reserve` also counts what an image takes in the model."""
    from llava_faba.train.dataset import FaceDataset

    entries = json.loads((faces / "emotion.json").read_text())
    entries[2]["conversations"][0]["value"] += " really" * 200
    (faces / "emotion.json").write_text(json.dumps(entries))
    with pytest.raises(InputError, match=r"face-2.*--model_max_length"):
        FaceDataset(data_args.data_path, tokenizer, data_args)
    (faces / "emotion.json").write_text(json.dumps(entries[:2]))
    dataset = FaceDataset(data_args.data_path, tokenizer, data_args)
    dataset.reserve(image_positions=65)
    with pytest.raises(InputError, match="face-0"):
        dataset.reserve(image_positions=577)


def test_a_data_set_travels_to_loader_processes(data_args, tokenizer):
    from llava_faba.train.dataset import FaceDataset

    dataset = FaceDataset(data_args.data_path, tokenizer, data_args)
    dataset.bind_prior(MeanColour(), keep_unread=True)
    copied = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copied[1]["facial_prior"], dataset[1]["facial_prior"])
