"""The conclusion of an evaluation: sentences that go beyond its summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calgan.evaluation._copying import copying_sentences
from calgan.evaluation._statistic import Statistic
from calgan.evaluation._summary import ALWAYS_TOLD, is_area

_FEW_BLOCKS = 10


def conclude(
    statistics: Sequence[Statistic],
    memorisation: dict[str, Any] | None,
    meta: dict[str, Any],
    protocol: str,
) -> tuple[str, ...]:
    """Return the sentences below the table."""
    sentences = [
        *_insensitive(statistics),
        *copying_sentences(memorisation, meta["shared_frames"]),
    ]
    if meta["trained_on_others"]:
        names = ", ".join(name.replace("_", " ") for name in meta["trained_on_others"])
        sentences.append(f"The model was also trained on what has no row of its own here: {names}.")
    if protocol == "thesis":
        sentences.append(
            "The published estimators reward memorising and depend on the number of windows: "
            "compare them with the published table only, and use protocol='blocked' otherwise."
        )
    blocks = meta["n_real_blocks"]
    if meta["has_intervals"] and blocks < _FEW_BLOCKS:
        sentences.append(
            f"The held-out recording has {blocks} blocks to resample, so every interval is rough: "
            "hold more out, or use shorter windows, for a sharper judgement."
        )
    return (*sentences, *meta["remarks"])


def _insensitive(statistics: Sequence[Statistic]) -> list[str]:
    """Say which statistics say little on this recording."""
    # Rates are each neuron's own: no shuffling of neurons could change them.
    names = [
        row.label
        for row in statistics
        if row.name in ("correlation_kl", "van_rossum_kl")
        and row.baseline
        and (row.controls.get("shuffled") or float("inf")) < 1.25 * row.baseline
    ]
    sentences = []
    if names:
        sentences.append(
            f"On this recording shuffling the neurons leaves {', '.join(names)} near the baseline: "
            f"{'it says' if len(names) == 1 else 'they say'} little about the population."
        )
    if any(is_area(row) and (row.baseline or 0.0) > ALWAYS_TOLD for row in statistics):
        sentences.append(
            "Classifiers tell real data of another time from the held-out recording as well, so "
            "that they say little here."
        )
    return sentences
