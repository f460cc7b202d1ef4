"""The checkpoint of a training: a model file that is written as it goes, and taken up again."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from calgan.data.validation import check_real, check_target
from calgan.io.model_files.saving import checksum_of, write
from calgan.training.loop import clock

_AWAY = "give checkpoint another name, or delete the file"
# What the learner found out of the windows at hand, and not the model in the file.
_OF_THIS_CALL = ("settings_", "frame_rate_", "units_", "roi_ids_", "_frames_used_")


class Checkpoint:
    """The file of one training, from the first line of ``fit`` to its end."""

    def __init__(self, path: Any, every: Any) -> None:
        self.path = check_target(path)
        self.every = check_real("checkpoint_every", every, least=0)
        self.step = 0  # of the model in the file
        self.is_taken_up = False
        self.ended: str | None = None  # why its training ended, if nothing is left to do
        self._fingerprint: str | None = None  # of its windows
        self._digest: str | None = None  # of the file as this run knows it
        self._changed = clock()
        self._has_warned = False

    @classmethod
    def of(cls, generator: Any) -> Checkpoint | None:
        """Return that of a generator, None if it writes none; the parameters are checked."""
        if generator.checkpoint is None:
            check_real("checkpoint_every", generator.checkpoint_every, least=0)
            return None
        return cls(generator.checkpoint, generator.checkpoint_every)

    # ------------------------------------------------------------------ at the start

    def taken_up(self, learner: Any, max_iter: int) -> Any:
        """Return what to train: the model in the file, with the parameters, or the learner.

        A learner that has been trained already goes on from there if the file holds a former state
        of it. The file of any other training is refused.
        """
        saved = self._load(learner)
        if saved is None or self._is_former(saved, learner):
            return learner
        differences = list(_differences(saved, learner))
        if saved.n_iter_ > max_iter and not learner.warm_start:
            differences.append(f"it has taken {saved.n_iter_} steps, and max_iter is {max_iter}")
        if differences:
            self._refuse("; ".join(differences))
        model = copy.copy(learner)
        kept = {*learner.get_params(deep=False), *_OF_THIS_CALL}
        vars(model).update({name: v for name, v in vars(saved).items() if name not in kept})
        self.is_taken_up, self.step = True, saved.n_iter_
        self._fingerprint = saved.fingerprint_
        same_limit = saved.stopped_ == "max_time" and saved.max_time == learner.max_time
        if same_limit or saved.stopped_ == "diverged":
            self.ended = saved.stopped_
        if self.ended == "diverged":
            warnings.warn(
                f"The training in {self.path} diverged at step {saved.n_iter_}, and is not gone on "
                f"with. To train with another learning_rate, {_AWAY}.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return model

    def check_former(self, learner: Any) -> None:
        """Refuse a file that does not hold a former state of the learner."""
        saved = self._load(learner)
        if saved is not None and not self._is_former(saved, learner):
            raise ValueError(
                f"{self.path} holds a training that this {type(learner).__name__} does not know: "
                f"partial_fit goes on from calgan.load({str(self.path)!r}); or {_AWAY}."
            )

    def check_windows(self, fingerprint: str) -> None:
        """Refuse windows that the training in the file was not on."""
        if self._fingerprint not in (None, fingerprint):
            self._refuse(
                f"its windows have fingerprint {self._fingerprint}, and these {fingerprint}"
            )

    def start(self, model: Any, learnt: dict[str, Any]) -> None:
        """Write the file if there is none, so that one that cannot be written is an error now."""
        if not self.path.exists():
            self._digest = write(self.path, model, learnt)
        self._changed = clock()

    def _load(self, learner: Any) -> Any:
        if not self.path.exists():
            return None
        try:
            saved = type(learner).load(self.path)
        except ValueError as error:
            raise ValueError(f"{str(error).rstrip('.')}: {_AWAY}.") from None
        self._digest = checksum_of(self.path)
        return saved

    def _is_former(self, saved: Any, learner: Any) -> bool:
        is_former = hasattr(learner, "generator_") and saved.seed_ == learner.seed_
        is_former = is_former and _begins_with(learner.history_, saved.history_)
        self.step = saved.n_iter_ if is_former else 0
        return is_former

    def _refuse(self, differences: str) -> None:
        raise ValueError(
            f"{self.path} is the checkpoint of another training: {differences}. To go on with that "
            f"one, make this one alike; else {_AWAY}."
        )

    # ------------------------------------------------------------------ as it goes

    def is_due(self) -> bool:
        """Tell whether the interval since the last state that was written is over."""
        return clock() - self._changed >= self.every

    def update(
        self, model: Any, step: int, learnt: dict[str, Any] | None = None, *, stacklevel: int
    ) -> None:
        """Write the model, or what it has learnt so far; what fails is told once."""
        self._changed = clock()
        if checksum_of(self.path) not in (None, self._digest):
            why = "another process replaced it. This training goes on, and writes it no more: "
            self._warn(step, f"{why}let each training have a checkpoint of its own", stacklevel)
            return
        try:
            self._digest = write(self.path, model, learnt)
        except (OSError, MemoryError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            there = f"is that of step {self.step}" if self.path.exists() else "is not there"
            why = f"{why.rstrip('.')}. Training goes on and tries again; the file {there}"
            self._warn(step, why, stacklevel)
        else:
            self.step = step

    def _warn(self, step: int, text: str, stacklevel: int) -> None:
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"The checkpoint {self.path} was not written at step {step}: {text}.",
                UserWarning,
                stacklevel=stacklevel + 2,
            )


def _differences(saved: Any, learner: Any) -> Iterator[str]:
    """Yield what the training in a file was told otherwise; limits of its length may differ."""
    shapes = [
        tuple(getattr(each, f"n_{axis}_in_") for axis in ("frames", "features", "channels"))
        for each in (saved, learner)
    ]
    known = {"precision": [saved.precision, learner.precision], "the windows' shape": shapes}
    known["frame_rate"] = [saved.frame_rate_, learner.frame_rate_]
    for field in dataclasses.fields(learner.settings_):
        if field.name != "max_iter":
            known[field.name] = [getattr(each.settings_, field.name) for each in (saved, learner)]
    goes_on = hasattr(learner, "generator_")
    if goes_on or learner.random_state is not None:
        known["seed_" if goes_on else "random_state"] = [saved.seed_, learner.seed_]
    for name, (was, now) in known.items():
        if was != now:
            yield f"{name} was {was!r}, and is {now!r}"
    if goes_on and not _begins_with(saved.history_, learner.history_):
        yield "it did not go on from this generator's last state"


def _begins_with(history: list[dict[str, Any]], former: list[dict[str, Any]]) -> bool:
    """Tell whether a history is a former one, gone on; checks may be taken out of it, or be NaN."""
    first, second = (
        [{k: v for k, v in row.items() if not k.startswith("val_")} for row in each[: len(former)]]
        for each in (history, former)
    )
    return first == second
