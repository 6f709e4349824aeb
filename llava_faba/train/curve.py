"""The validations of a run -> its curve as a picture: each score over the steps, with its interval."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

NAMES = {"rege": "REGE", "s_re": "S_re", "s_ge": "S_ge"}
COLOURS = {"rege": "#0072b2", "s_re": "#d55e00", "s_ge": "#009e73"}  # told apart also by colour-blind readers


def draw_curve(curve: Sequence[Mapping[str, Any]], best_step: int | None) -> bytes:
    """Draw the validations of a run, one panel a task; return the bytes of a PNG.

    `curve` holds {"step", "scores": [{"task", "n", "s_re", ..., "ci95": {"s_re": [low, high], ...}}]}, in percent.
    """
    from matplotlib.figure import Figure

    tasks = [score["task"] for score in curve[0]["scores"]]
    figure = Figure(figsize=(6.0 * len(tasks), 4.0), dpi=110, layout="constrained")
    for column, task in enumerate(tasks, start=1):
        axes = figure.add_subplot(1, len(tasks), column)
        scores = [next(score for score in point["scores"] if score["task"] == task) for point in curve]
        for metric, name in NAMES.items():
            known = [
                (point["step"], score[metric], *score["ci95"][metric])
                for point, score in zip(curve, scores, strict=True)
                if score[metric] is not None
            ]
            if not known:
                continue
            steps, values, low, high = zip(*known, strict=True)
            dashes = "--" if metric == "s_ge" else "-"  # on one-word answers it is S_re
            axes.plot(steps, values, dashes, color=COLOURS[metric], marker="o", ms=3, lw=1.4, label=name)
            if None not in (*low, *high):
                axes.fill_between(steps, low, high, color=COLOURS[metric], alpha=0.12, lw=0)
        if best_step is not None:
            axes.axvline(best_step, color="#666666", lw=0.9, ls=":", label=f"best: step {best_step}")
        axes.set_title(f"{task}, {scores[0]['n']} faces", fontsize=10, loc="left")
        axes.set_xlabel("step; shaded: 95 % interval", fontsize=9)
        axes.set_ylabel("percent", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=8, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
