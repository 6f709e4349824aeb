#!/usr/bin/env python
"""Draw the README's picture: the journey of one face (NASA's portrait of Eileen Collins, public domain).

python scripts/draw_journey.py demo/journey.png
"""

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from matplotlib.patches import FancyBboxPatch, Rectangle

from llava_faba.face.crop import find_faces
from llava_faba.prior import build_prior

TEXT = """She smiles broadly: the
lip corners are pulled up
(AU12), the cheeks raised
(AU6), the teeth show
(AU25). She looks happy."""
INK, PRIOR, VISUAL, PALE = "#1f2933", "#d9480f", "#4c6ef5", "#f1f3f5"
photo = skimage.data.astronaut()
face = find_faces(photo, "largest")[0]
prior = build_prior("dlib_68")
vector = prior.extract([face.pixels])[0][0]

figure = plt.figure(figsize=(13, 3.5), facecolor="white")
axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 130), ylim=(0, 35))
axes.axis("off")


def title(x: float, text: str) -> None:
    axes.text(x, 31.2, text, ha="center", va="bottom", fontsize=11, color=INK, weight="bold")


def arrow(start: float, end: float, y: float = 18) -> None:
    axes.annotate("", (end, y), (start, y), arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.4})


def picture(pixels: np.ndarray, left: float, side: float) -> None:
    axes.imshow(pixels, extent=(left, left + side, 18 - side / 2, 18 + side / 2), aspect="auto", zorder=2)


picture(photo, 2, 18)
box = face.box
scale = 18 / photo.shape[1]
corner = (2 + box.left * scale, 27 - box.bottom * scale)
axes.add_patch(Rectangle(corner, *[s * scale for s in (box.right - box.left, box.bottom - box.top)], fill=False,
                         edgecolor=PRIOR, lw=1.8, zorder=3))  # fmt: skip
title(11, "photo")
arrow(21, 24.5)
picture(face.pixels, 25, 18)
points = face.landmarks_in_crop * 18 / face.pixels.shape[0]
axes.plot(25 + points[:, 0], 27 - points[:, 1], ".", color="white", markersize=4, zorder=3)
axes.plot(25 + points[:, 0], 27 - points[:, 1], ".", color=PRIOR, markersize=2.4, zorder=4)
title(34, "face crop")
arrow(44, 47.5)
heights = vector / np.abs(vector).max() * 8
axes.bar(np.linspace(48.5, 62.5, len(vector)), heights, 0.09, bottom=18, color=PRIOR)
axes.text(55.5, 7.4, f"{prior.name}: {prior.dim} numbers", ha="center", fontsize=9, color=INK)
title(55.5, "facial prior")
arrow(63.5, 67)
for row, (label, color, count) in enumerate([("visual tokens", VISUAL, 8), ("prior token", PRIOR, 1)]):
    y = 21 - row * 5.6
    for column in range(count):
        axes.add_patch(Rectangle((68 + column * 1.9, y), 1.5, 2.8, color=color))
    axes.text(68 + (count * 1.9 if row else 0), y + (1.4 if row else 3.4), label, fontsize=9, color=INK,
              va="center" if row else "bottom", ha="left")  # fmt: skip
axes.add_patch(FancyBboxPatch((68, 8.2), 14.8, 3.4, boxstyle="round,pad=0.3", color=PALE))
axes.text(75.4, 9.9, "LLaVA + LoRA", ha="center", va="center", fontsize=10, color=INK)
title(75.4, "token")
arrow(84.5, 88)
axes.text(89, 18, TEXT,
          fontsize=10, va="center", color=INK, style="italic")  # fmt: skip
title(98.5, "text")
arrow(109, 112.5)
axes.text(113.5, 18, "Happiness\nAU6 AU12 AU25\n\nS_re + S_ge\n= REGE", fontsize=10, va="center", color=INK)
title(120.5, "labels, metric")
figure.savefig(sys.argv[1], dpi=110)
