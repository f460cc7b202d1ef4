"""Whether samples copy the training recording: the one verdict of figure and membership test."""

from __future__ import annotations

from typing import Any, Literal

from calgan.evaluation._format import show, show_interval

CopyingStatus = Literal["copies", "leans", "new", "not told"]

# Places between a replay (0) and new data (1), chosen by hand on simulated recordings.
_COPIES = 0.5  # the whole interval is below: copies
_NEXT_TO_A_REPLAY = 0.1  # the same, where there are no new data to compare with
_NEW = 0.7  # below: leans to copying
_COPIED = 0.2  # a larger share of samples looks copied: leans to copying
# An area further above that of drift is a difference to speak of.
_TOLD_APART = 0.05
# Above this share of held-out frames in the training recording, nothing is held out.
SHARED = 0.2


def copying_status(memorisation: dict[str, Any] | None, shared: float) -> CopyingStatus:
    """Return the verdict; `shared` is the share of held-out frames in the training recording."""
    if memorisation is None or shared > SHARED:
        return "not told"
    of_figure = _status_of_figure(memorisation)
    if of_figure in ("new", "not told") and _gives_away(memorisation):
        return "leans"
    return of_figure


def copying_sentences(memorisation: dict[str, Any] | None, shared: float) -> list[str]:
    """Say the verdict, its figures and their intervals."""
    if memorisation is None:
        return []
    if shared > SHARED:
        return [_not_held_out(memorisation, shared)]
    return [
        _verdict(memorisation, copying_status(memorisation, shared)),
        *_membership(memorisation),
    ]


def _new(memorisation: dict[str, Any]) -> list[float]:
    """Figures of data that are no copies; drift of the recording lowers them."""
    known = (memorisation["second_held_out"], memorisation.get("drift"))
    return [value for value in known if value is not None]


def _status_of_figure(memorisation: dict[str, Any]) -> CopyingStatus:
    """Return what the memorisation figure and the share of copied samples say."""
    replay, new = memorisation["replay"], min([1.0, *_new(memorisation)])
    if not new - replay >= 0.1 * new:  # nor if either is undefined
        return "not told"
    _, most = memorisation["interval"] or (None, memorisation["value"])
    copied, _ = memorisation.get("share_copied_interval") or (memorisation["share_copied"], None)
    position = (most - replay) / (new - replay)
    if not _new(memorisation):
        return "copies" if position < _NEXT_TO_A_REPLAY else "not told"
    if position < _COPIES:
        return "copies"
    return "leans" if position < _NEW or copied > _COPIED else "new"


def _gives_away(memorisation: dict[str, Any]) -> bool:
    """Whether training windows can be told by clearly more than drift explains."""
    interval = (memorisation.get("membership") or {}).get("beyond_drift_interval")
    return bool(interval is not None and interval[0] > _TOLD_APART)


def _verdict(memorisation: dict[str, Any], status: CopyingStatus) -> str:
    """Say whether the samples are copies."""
    figures = f"memorisation figure {_with_interval(memorisation, 'value', 'interval')}"
    yardstick = f"a replay scores {show(memorisation['replay'], 2)}"
    if memorisation["second_held_out"] is not None:
        new = _with_interval(memorisation, "second_held_out", "second_held_out_interval")
        yardstick += f", a second held-out segment {new}"
    if memorisation.get("drift") is not None:
        yardstick += f", real windows of other training segments {show(memorisation['drift'], 2)}"
    copied = memorisation["share_copied"]
    some = f"; {100 * copied:.0f} % of the samples look copied" if copied >= 0.05 else ""
    if status == "copies":
        return f"The model memorises: {figures} ({yardstick})."
    if _status_of_figure(memorisation) == "not told":
        why = (
            "new data score hardly more than a replay"
            if _new(memorisation)
            else "the recordings are too short to know what new data score"
        )
        return (
            f"Whether the samples are copies cannot be told from their distances: {figures}, but "
            f"{why} ({yardstick})."
        )
    if status == "leans":
        return f"The samples lean towards the training recording: {figures} ({yardstick}){some}."
    return f"No sign of memorising: {figures} ({yardstick}){some}."


def _with_interval(values: dict[str, Any], name: str, interval: str) -> str:
    """Show a figure and, where there is one, its interval."""
    bounds = values.get(interval)
    return show(values[name], 2) + ("" if bounds is None else f" {show_interval(bounds)}")


def _not_held_out(memorisation: dict[str, Any], shared: float) -> str:
    """Say why copies cannot be told."""
    return (
        f"Memorising cannot be judged with this split: {100 * shared:.0f} % of the held-out frames "
        "are in the training recording, so that a copy is as near to held-out windows as to "
        f"training windows (figure of the samples {show(memorisation['value'], 2)}, of a replay "
        f"{show(memorisation['replay'], 2)}). Split in time with train_test_blocks to judge it."
    )


def _membership(memorisation: dict[str, Any]) -> list[str]:
    """Whether the samples give away which windows they were trained on, beyond drift."""
    found = memorisation.get("membership")
    if found is None:
        return []
    text = (
        "Which real windows the model was trained on can be told from their distance to the "
        f"samples with an area under the curve of {show(found['value'], 2)} (a replay gives "
        f"{show(found['replay'], 2)}"
    )
    if found["drift"] is None:
        return [f"{text}). Drift alone may raise it."]
    text += (
        ", real windows of other training segments, which are no copies, "
        f"{show(found['drift'], 2)})"
    )
    if _gives_away(memorisation):
        return [f"{text}: more than drift explains, so that samples repeat training windows."]
    if found.get("beyond_drift_interval") is None:
        return [f"{text}: without intervals, or with few blocks, chance may explain it."]
    if _status_of_figure(memorisation) == "copies":
        return [
            f"{text}: too few windows are copied, or drift is too strong, for this test to show it."
        ]
    return [f"{text}: no more than drift explains."]
