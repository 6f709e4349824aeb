"""How strongly a signal oscillates in a band of frequencies: rest tremor of the jaw."""

import numpy as np
from scipy.signal import welch

from llava_faba.motion.smoothing import stretches

TREMOR_BAND = (4.0, 6.0)  # Hz: rest tremor of Parkinson's disease
TREMOR_SECONDS = 2.0  # the shortest stretch whose spectrum resolves the band


def band_power(signal: np.ndarray, times: np.ndarray, band: tuple[float, float] = TREMOR_BAND) -> float | str:
    """Return the power of the signal's oscillation in a band of frequencies (Welch), over its long valid stretches."""
    rate = 1 / float(np.median(np.diff(times)))
    if rate < 2.5 * band[1] - 1e-6:
        return f"it needs at least {2.5 * band[1]:.0f} frames a second"
    powers, weights = [], []
    for run in stretches(signal, int(TREMOR_SECONDS * rate)):
        clock = np.arange(times[run][0], times[run][-1], 1 / rate)  # equal steps, also of a variable frame rate
        steady = np.interp(clock, times[run], signal[run])
        n = min(len(steady), int(2 * TREMOR_SECONDS * rate))
        frequencies, density = welch(steady, rate, nperseg=n, detrend="linear")
        inside = (frequencies >= band[0]) & (frequencies <= band[1])
        powers.append(density[inside].sum() * (frequencies[1] - frequencies[0]))
        weights.append(len(steady))
    if not powers:
        return f"it needs {TREMOR_SECONDS:.0f} s in which the mouth is seen throughout"
    return float(np.average(powers, weights=weights))
