"""When the lids close for a moment, and what that does to the other landmarks.

dlib draws closed eyes lower, corners and all, by some 0.03 inter-ocular distances. As every movement is measured from
the corners of the eyes, the mouth and the brows would jump up with each blink; the nose, which jumps along, shows how
far.
"""

import numpy as np

from llava_faba.motion.smoothing import stretches

BLINK_DEPTH = 0.75  # a blink closes the lids to less than this share of their opening around it,
BLINK_LEAST = 0.02  # inter-ocular distances, by which it closes them at least: nearly closed lids only tremble
BLINK_SECONDS = (0.015, 0.6)  # for so long
BLINK_AROUND = 1.0  # s on either side over which the opening around it is judged
BLINK_MARGIN = 0.1  # s before and after a blink in which the brows are not measured
CLOSING, OPENING = 0.08, 0.12  # s that the lids take to close before a blink, and to open after it
SHALLOW = 0.88  # instead of BLINK_DEPTH, for leaving brows out: half a blink moves them too
NOSE = (27, 28, 29, 30)  # landmarks from the root to the tip of the nose: nothing in a blink moves them
BESIDE = 0.15  # s before and after a blink's margin over which the nose's usual height is taken


def find_blinks(lids: np.ndarray, times: np.ndarray, depth: float = BLINK_DEPTH) -> list[tuple[float, float]]:
    """Return when the lids (F,) close for a moment and open again, within one valid stretch: begin and end in s.

    The idea is that of Soukupová and Čech 2016 (eye aspect ratio); their fixed limit is a share of the person's own
    opening before and after here, because dlib draws closed lids at different heights.
    """
    found = []
    for run in stretches(lids, 3):
        opening, clock = lids[run], times[run]
        first = np.searchsorted(clock, clock - BLINK_AROUND)
        last = np.searchsorted(clock, clock + BLINK_AROUND, "right")
        usual = np.array(
            [
                min(np.percentile(opening[a : i + 1], 75), np.percentile(opening[i:b], 75))
                for i, (a, b) in enumerate(zip(first, last, strict=True))
            ]
        )
        closed = opening < np.minimum(depth * usual, usual - BLINK_LEAST)
        edges = np.flatnonzero(np.diff(closed.astype(int)))
        for down in edges[~closed[edges]]:
            up = edges[(edges > down) & closed[edges]]
            if len(up):
                lasted = clock[up[0] + 1] - clock[down + 1]
                if BLINK_SECONDS[0] <= lasted + 1e-9 and lasted <= BLINK_SECONDS[1]:
                    found.append((float(clock[down + 1]), float(clock[up[0]])))
    return found


def in_blinks(blinks: list[tuple[float, float]], times: np.ndarray) -> np.ndarray:
    """Return which frames (F,) are in a blink, or beside one: while the lids close and open."""
    result = np.zeros(len(times), bool)
    for start, end in blinks:
        result |= (times >= start - CLOSING) & (times <= end + OPENING)
    return result


def without_blinks(lids: np.ndarray, blinks: list[tuple[float, float]], times: np.ndarray) -> np.ndarray:
    """Return the opening of lids (F,) with the blinks left out (nan)."""
    return np.where(in_blinks(blinks, times), np.nan, lids)


def undo_lid_jumps(
    shapes: np.ndarray, times: np.ndarray, blinks: list[tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray]:
    """Take out of shapes (F, 68, 2), in the frame of the eyes, how far the eyes themselves sink in each blink.

    All landmarks but those of the eyes are moved down or up until the nose is where it was before and after the blink.
    Returned are the shapes and how far they were moved, (F,).
    """
    height = shapes[:, list(NOSE), 1].mean(axis=1)
    sunk = np.zeros(len(shapes))
    for start, end in blinks:
        near = np.flatnonzero((times >= start - BLINK_MARGIN) & (times <= end + BLINK_MARGIN))
        if not len(near):
            continue
        before = (times < times[near[0]]) & (times >= times[near[0]] - BESIDE) & np.isfinite(height)
        after = (times > times[near[-1]]) & (times <= times[near[-1]] + BESIDE) & np.isfinite(height)
        known = [(times[beside].mean(), height[beside].mean()) for beside in (before, after) if beside.any()]
        if known:
            sunk[near] = height[near] - np.interp(times[near], *zip(*known, strict=True))
    result, sunk = shapes.copy(), np.nan_to_num(sunk)
    result[:, [*range(36), *range(48, 68)], 1] -= sunk[:, None]
    return result, np.abs(sunk)
