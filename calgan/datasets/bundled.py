"""Real recordings that come with the package."""

from __future__ import annotations

from importlib import resources

import numpy as np

from calgan.data.recording import Recording

_ZEBRAFISH_TECTUM = "zebrafish_tectum_cilva_zf1.npz"


def load_zebrafish_tectum() -> Recording:
    """Load a two-photon recording of 143 neurons in the optic tectum of a larval zebrafish.

    15 minutes (1950 frames at 2.1646 Hz) of dF/F, spontaneous and evoked by 45 visual stimuli of
    9 kinds [1]_. The file is distributed under the MIT licence of its repository; the notice lies
    beside it (``calgan/datasets/data/LICENSE.CILVA.txt``).

    Returns
    -------
    Recording
        Traces (1950, 143) in dF/F. Its ``metadata`` hold ``stimulus_onsets`` (45,) in s,
        ``stimulus_frames`` (45,) and ``stimulus_ids`` (45,), and the texts ``source``,
        ``licence``, ``indicator``, ``note`` and ``reference``.

    References
    ----------
    .. [1] M. A. Triplett, Z. Pujic, B. Sun, L. Avitan and G. J. Goodhill, "Model-based decoupling
       of evoked and spontaneous neural activity in calcium imaging data", PLOS Computational
       Biology 16(11): e1008330, 2020. https://doi.org/10.1371/journal.pcbi.1008330

    Examples
    --------
    >>> from calgan import datasets
    >>> recording = datasets.load_zebrafish_tectum()
    >>> recording
    Recording(1950 frames x 143 neurons, 2.1646 Hz, 900.9 s, dF/F)
    >>> recording.metadata["stimulus_onsets"][:2].round(1)
    array([ 1.4, 20.8])
    """
    path = resources.files("calgan.datasets") / "data" / _ZEBRAFISH_TECTUM
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        frame_rate = float(data["frame_rate"])
        stimulus = data["stim"]
        frames = np.flatnonzero(stimulus)
        return Recording(
            data["traces"],
            frame_rate,
            units="dF/F",
            segments=data["segments"],
            metadata={
                "stimulus_onsets": frames / frame_rate,
                "stimulus_frames": frames,
                "stimulus_ids": stimulus[frames].astype(int),
                "source": str(data["source"]),
                "licence": str(data["licence"]),
                "indicator": str(data["indicator"]),
                "note": str(data["note"]),
                "reference": "https://doi.org/10.1371/journal.pcbi.1008330",
            },
        )
