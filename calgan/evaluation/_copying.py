"""Whether samples copy the training recording: the one verdict of figure and membership test."""

from __future__ import annotations

from typing import Any, Literal

from calgan.evaluation._format import show, show_interval

CopyingStatus = Literal["copies", "leans", "new", "not told"]

# Between a replay (0) and new data (1): below the first the model copies, above the second not.
_COPIES = 0.5
_NEW = 0.8
# An area further above that of drift is a difference to speak of.
_TOLD_APART = 0.05
# Above this share of held-out frames in the training recording, nothing is held out.
_SHARED = 0.2


def copying_status(memorisation: dict[str, Any] | None, shared: float) -> CopyingStatus:
    """Return the verdict; `shared` is the share of held-out frames in the training recording."""
    if memorisation is None or shared > _SHARED:
        return "not told"
    position = _position(memorisation)
    if position is None:
        return "not told"
    return "copies" if position < _COPIES else "leans" if position < _NEW else "new"


def copying_sentences(memorisation: dict[str, Any] | None, shared: float) -> list[str]:
    """Say the verdict, its figures and their intervals."""
    if memorisation is None:
        return []
    return [_memorised(memorisation, shared), *_membership(memorisation, shared)]


def _position(memorisation: dict[str, Any]) -> float | None:
    """Place the figure between a replay (0) and new data (1); None if these agree."""
    new = memorisation["second_held_out"]
    # A drifting recording may put new data a little above or below 1.
    new = 1.0 if new is None else min(new, 1.0)
    replay = memorisation["replay"]
    if new - replay < 0.1:
        return None
    return float((memorisation["value"] - replay) / (new - replay))


def _memorised(memorisation: dict[str, Any], shared: float) -> str:
    """Say whether the samples are copies."""
    if shared > _SHARED:
        return _not_held_out(memorisation, shared)
    position = _position(memorisation)
    new = memorisation["second_held_out"]
    yardstick = f"a replay scores {show(memorisation['replay'], 2)}"
    if new is not None:
        interval = memorisation.get("second_held_out_interval")
        yardstick += f", a second held-out segment {show(new, 2)}"
        yardstick += f" {show_interval(interval)}" if interval is not None else ""
    value = show(memorisation["value"], 2)
    if position is None:
        return (
            f"Whether the model memorises cannot be told: its figure is {value}, but new data "
            f"score hardly more than a replay ({yardstick})."
        )
    if position < _COPIES:
        return f"The model memorises: its memorisation figure is {value} ({yardstick})."
    copied = memorisation["share_copied"]
    some = f"; {100 * copied:.0f} % of the samples look copied" if copied >= 0.05 else ""
    if position < _NEW:
        return (
            f"The samples lean towards the training recording: memorisation figure {value} "
            f"({yardstick}){some}. Memorising in part, or drift of the recording, may be why."
        )
    return f"No sign of memorising: memorisation figure {value} ({yardstick}){some}."


def _not_held_out(memorisation: dict[str, Any], shared: float) -> str:
    """Say why copies cannot be told."""
    return (
        f"Memorising cannot be judged with this split: {100 * shared:.0f} % of the held-out frames "
        "are in the training recording, so that a copy is as near to held-out windows as to "
        f"training windows (figure of the samples {show(memorisation['value'], 2)}, of a replay "
        f"{show(memorisation['replay'], 2)}). Split in time with train_test_blocks to judge it."
    )


def _membership(memorisation: dict[str, Any], shared: float) -> list[str]:
    """Whether the samples give away which windows they were trained on, beyond drift."""
    found = memorisation.get("membership")
    if found is None or shared > _SHARED:
        return []
    text = (
        "Which real windows the model was trained on can be told from their distance to the "
        f"samples with an area under the curve of {show(found['value'], 2)} (a replay gives "
        f"{show(found['replay'], 2)}"
    )
    if found["drift"] is None:
        return [f"{text}). Drift alone may raise it."]
    end = (
        "no more than drift explains"
        if found["value"] <= found["drift"] + _TOLD_APART
        else "more than drift explains: look for samples that repeat training windows"
    )
    return [
        f"{text}, real windows of other training segments, which are no copies, "
        f"{show(found['drift'], 2)}): {end}."
    ]
