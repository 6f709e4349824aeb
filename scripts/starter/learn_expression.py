#!/usr/bin/env python
"""Train the networks of the prior `expression` on a CSV of labelled faces (columns image, label).

Each network learns from all folds but one. OUT/expression.safetensors holds the networks. OUT is then a folder of
priors `dlib_68+expression`, as `llava-faba priors` writes them, except that a face's scores are those of the one
network that did not learn from it, so that a model that is trained on them meets scores as uncertain as those of faces
that nobody has seen. One face in --held-back is kept from all of them; OUT/held_back.csv lists these, for calibration.
OUT/landmarks.json keeps the landmarks; a further run takes them from there.
"""

import argparse
import hashlib
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from llava_faba.data.convert import read_csv
from llava_faba.errors import InputError
from llava_faba.face.detectors import DlibDetector
from llava_faba.face.images import read_pixels
from llava_faba.files import read_json, write_json
from llava_faba.prior import build_prior
from llava_faba.prior.expression import SIDE, face_inputs, mirrored, standardised
from llava_faba.vocabulary import EMOTIONS

WIDTH = 24  # channels of the first layers
BATCH, RATE, DECAY, SMOOTHING = 64, 2e-3, 0.05, 0.1


class Network(nn.Module):
    """Six convolutions over the crop, one layer over the landmarks, and a linear layer over both."""

    def __init__(self, mean: Tensor, std: Tensor):
        super().__init__()
        w = WIDTH
        shapes = [(1, w, 5, 2), (w, w, 3, 1), (w, 2 * w, 3, 1), (2 * w, 2 * w, 3, 1), (2 * w, 4 * w, 3, 1)]
        shapes += [(4 * w, 4 * w, 3, 1)]
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, k, s, k // 2, bias=False) for i, o, k, s in shapes)
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for _, o, _, _ in shapes)
        self.shape = nn.Linear(136, 64)
        self.head = nn.Linear(16 * w + 64, len(EMOTIONS))
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, crops: Tensor, shapes: Tensor) -> Tensor:
        x = crops
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = functional.relu(norm(convolution(x)))
            if number in (1, 3):
                x = functional.max_pool2d(x, 2)
        pooled = functional.dropout(functional.adaptive_avg_pool2d(x, 2).flatten(1), 0.4, self.training)
        hidden = functional.relu(self.shape((shapes - self.mean) / self.std))
        return self.head(torch.cat([pooled, functional.dropout(hidden, 0.3, self.training)], dim=1))

    def folded(self) -> dict[str, Tensor]:
        """The weights as the prior reads them, each normalisation folded into its convolution."""
        weights = {"shape.mean": self.mean, "shape.std": self.std}
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weights[f"conv{number}.weight"] = convolution.weight * scale[:, None, None, None]
            weights[f"conv{number}.bias"] = norm.bias - norm.running_mean * scale
        for name in ("shape", "head"):
            layer = getattr(self, name)
            weights |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
        return {name: weight.detach().half().contiguous() for name, weight in weights.items()}


def read_landmarks(path: Path) -> list[float] | None:
    """Read the landmarks of the face in a picture; one that needs a second look counts as not read."""
    pixels, detector = read_pixels(path), DlibDetector(second_look=False)
    box = detector.find_one(pixels)
    return None if box is None else detector.fit(pixels, box).round(2).ravel().tolist()


def varied(crops: Tensor, shapes: Tensor, flipped: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror half of the crops, turn, size, shift, lighten and partly cover them a little; jitter the landmarks."""
    n = len(crops)
    flip = torch.rand(n) < 0.5
    crops = torch.where(flip[:, None, None, None], crops.flip(3), crops)
    shapes = torch.where(flip[:, None], flipped, shapes)
    turn, size = torch.randn(n) * 0.1, 1 + torch.randn(n) * 0.07
    shift = torch.randn(n, 2) * 0.05
    maps = torch.stack(
        [
            torch.stack([size * torch.cos(turn), -size * torch.sin(turn), shift[:, 0]], dim=1),
            torch.stack([size * torch.sin(turn), size * torch.cos(turn), shift[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(maps, list(crops.shape), align_corners=False)
    crops = functional.grid_sample(crops, grid, align_corners=False, padding_mode="border")
    crops = crops * (1 + torch.randn(n, 1, 1, 1) * 0.15) + torch.randn(n, 1, 1, 1) * 0.15
    for row in torch.where(torch.rand(n) < 0.3)[0].tolist():
        top, left = torch.randint(0, SIDE - 16, (2,)).tolist()
        crops[row, :, top : top + 16, left : left + 16] = 0
    return crops, shapes + torch.randn_like(shapes) * 0.1 * shapes.std(0)


def learn(
    crops: Tensor, shapes: Tensor, flipped: Tensor, labels: Tensor, seed: int, epochs: int, power: float
) -> Network:
    """Train one network; a class of n faces is drawn n ** (1 - power) times as often as one of 1."""
    torch.manual_seed(seed)
    network = Network(shapes.mean(0), shapes.std(0) + 1e-6)
    counts = torch.bincount(labels, minlength=len(EMOTIONS)).clamp(min=1).float()
    weights = counts[labels] ** -power
    steps = epochs * len(labels) // BATCH
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, pct_start=0.15)
    start = time.monotonic()
    for step in range(steps):
        rows = torch.multinomial(weights, BATCH, replacement=True)
        scores = network(*varied(crops[rows], shapes[rows], flipped[rows]))
        loss = functional.cross_entropy(scores, labels[rows], label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 49:
            spent = time.monotonic() - start
            print(
                f"network {seed}: step {step + 1} of {steps}, loss {loss:.3f}, {spent:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    return network.eval()


def lot_of(image: str, lots: int) -> int:
    """A picture's lot from 0 to `lots` - 1, by its name."""
    return int.from_bytes(hashlib.sha256(image.encode()).digest()[:8], "big") % lots


def fold_of(image: str, folds: int, held_back: int) -> int:
    """The fold of a picture, whose network does not learn from it; -1: held back, none does."""
    if held_back and lot_of(f"held back {image}", held_back) == 0:
        return -1
    return lot_of(image, folds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path, metavar="FACES.csv", help="labelled faces; pictures relative to it")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--held-back", type=int, default=20, metavar="N", help="every N-th face (default: 20; 0: none)")
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--power", type=float, default=0.5, help="0: classes as they are; 1: all alike (default: 0.5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=3)
    args = parser.parse_args()
    layout = read_csv(args.faces, None, "emotion", None)
    images = [face.image for face in layout.faces]
    kept = args.out / "landmarks.json"
    if not kept.is_file():
        with ProcessPoolExecutor(args.workers) as pool:
            paths = [layout.image_root / image for image in images]
            found = dict(zip(images, pool.map(read_landmarks, paths, chunksize=32), strict=True))
        args.out.mkdir(parents=True, exist_ok=True)
        write_json(kept, {image: points for image, points in found.items() if points is not None})
    landmarks = {image: np.array(points).reshape(68, 2) for image, points in read_json(kept, "landmarks").items()}
    read = [
        face_inputs(read_pixels(layout.image_root / image), landmarks[image]) if image in landmarks else None
        for image in images
    ]
    known = [number for number, face in enumerate(read) if face is not None]
    print(f"faces read: {len(known)} of {len(images)}", file=sys.stderr, flush=True)
    crops = torch.from_numpy(np.stack([standardised(read[n][0]) for n in known]))[:, None]
    shapes = torch.from_numpy(np.stack([read[n][1].ravel() for n in known])).float()
    flipped = torch.from_numpy(np.stack([mirrored(read[n][1]).ravel() for n in known])).float()
    labels = torch.tensor([EMOTIONS.index(layout.faces[n].label) for n in known])
    folds = torch.tensor([fold_of(images[n], args.folds, args.held_back) for n in known])
    turned = crops.flip(3)
    torch.set_num_threads(1)
    jobs = []
    with ProcessPoolExecutor(args.workers) as pool:
        for fold in range(args.folds):
            seen = (folds != fold) & (folds >= 0)
            one = (crops[seen], shapes[seen], flipped[seen], labels[seen], args.seed + fold, args.epochs, args.power)
            jobs.append(pool.submit(learn, *one))
        networks = [job.result() for job in jobs]
    tensors = {
        f"{fold}.{name}": tensor for fold, network in enumerate(networks) for name, tensor in network.folded().items()
    }
    with torch.no_grad():
        pairs = [[network(crops, shapes), network(turned, flipped)] for network in networks]
    scores = torch.stack([torch.stack(pair).log_softmax(2).mean(0) for pair in pairs])  # (folds, faces, 7)
    scores = torch.where(folds[:, None] < 0, scores.mean(0), scores[folds.clamp(min=0), torch.arange(len(folds))])
    scores = (scores - scores.mean(1, keepdim=True)).numpy()
    weights = args.out / "expression.safetensors"
    save_file(tensors, weights)
    prior = build_prior("dlib_68+expression", f"expression={weights}")
    for row, number in enumerate(known):
        file = args.out / Path(images[number]).with_suffix(".npy")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.concatenate([read[number][1].ravel(), scores[row]]).astype(np.float32))
    left = [face for face in layout.faces if fold_of(face.image, args.folds, args.held_back) < 0]
    with open(args.out / "held_back.csv", "w") as lines:
        print("image,label", *(f"{face.image},{face.label}" for face in left), sep="\n", file=lines)
    counts = {"pictures": len(images), "read": len(known)}
    write_json(args.out / "manifest.json", {"prior": prior.name, "version": prior.version, "P": prior.dim, **counts})
    right = scores.argmax(1) == labels.numpy()
    recall = {name: round(100 * float(right[labels.numpy() == k].mean()), 1) for k, name in enumerate(EMOTIONS)}
    print(json.dumps({"not learned from": round(100 * float(right.mean()), 2), "recall": recall}))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
