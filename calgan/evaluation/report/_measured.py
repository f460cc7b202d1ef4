"""What several figures of a report share, computed once."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calgan import metrics, plotting
from calgan.metrics.divergence import histogram_edges

# Pairs times windows that the histograms over pairs are built from: enough for smooth ones.
_MAX_PAIR_VALUES = 4_000_000
# Pairs a window from which a histogram of its own can be built.
_MIN_PAIRS = 45

Array = NDArray[Any]


class Measured:
    """Arrays that several figures share, computed when first asked for."""

    def __init__(self, evaluation: Any) -> None:
        self.windows: dict[str, Array] = _present(evaluation.windows)
        self.spikes: dict[str, Array] = _present(evaluation.spikes)
        self.frame_rate = float(evaluation.frame_rate)
        self.units = str(evaluation.units or "a.u.")
        n_windows, self.window, self.n_neurons = self.windows["real"].shape
        self.seconds = self.window / self.frame_rate
        self.has_train = "train" in self.windows
        roi_ids = getattr(evaluation, "roi_ids", None)
        self.roi_ids = range(self.n_neurons) if roi_ids is None else list(roi_ids)
        self.n = {group: len(array) for group, array in self.windows.items()}
        n_pairs = max(self.n_neurons * (self.n_neurons - 1) // 2, 1)
        self.n_pairs = n_pairs if self.n_neurons > 1 else 0
        self.n_pair_windows = max(min(n_windows, _MAX_PAIR_VALUES // n_pairs), 2)
        # A window shorter than two bins has no correlations: they are all undefined.
        self.bin_frames = min(metrics.bin_frames_for(self.frame_rate), self.window)

    def shown(self, *groups: str) -> list[str]:
        """Those of `groups` that there are."""
        return [group for group in groups if group in self.windows]

    @cached_property
    def rates(self) -> dict[str, Array]:
        return {g: metrics.firing_rate(s, self.frame_rate) for g, s in self.spikes.items()}

    @cached_property
    def mean_rates(self) -> dict[str, Array]:
        return {group: rates.mean(axis=0) for group, rates in self.rates.items()}

    @cached_property
    def order(self) -> Array:
        """Neurons by their mean rate over the held-out windows, the least active first."""
        return np.argsort(self.mean_rates["real"], kind="stable")

    @cached_property
    def chosen(self) -> Array:
        """Six neurons spread over the more active half."""
        active = self.order[::-1][: max((self.n_neurons + 1) // 2, min(self.n_neurons, 6))]
        picked = plotting.spread_neurons(self.mean_rates["real"][active], 6)
        return active[picked]

    @property
    def chosen_phrase(self) -> str:
        if len(self.chosen) == self.n_neurons:
            return "All neurons, by held-out mean rate"
        return (
            f"{len(self.chosen)} of {self.n_neurons} neurons, spread over the ranks of the more "
            f"active ones by held-out mean rate"
        )

    @cached_property
    def typical(self) -> dict[str, int]:
        """The window of each group whose number of spikes is the median one."""
        positions = {}
        for group, spikes in self.spikes.items():
            ranked = np.argsort(spikes.sum(axis=(1, 2)), kind="stable")
            positions[group] = int(ranked[len(ranked) // 2])
        return positions

    @cached_property
    def correlations(self) -> dict[str, Array]:
        return {
            group: metrics.pairwise_correlation(
                spikes[: self.n_pair_windows], bin_frames=self.bin_frames
            )
            for group, spikes in self.spikes.items()
        }

    @cached_property
    def van_rossum(self) -> dict[str, Array]:
        return {
            group: metrics.van_rossum_distance(spikes[: self.n_pair_windows], self.frame_rate)
            for group, spikes in self.spikes.items()
        }

    @cached_property
    def matrices(self) -> dict[str, Array]:
        return {group: metrics.correlation_matrix(x) for group, x in self.windows.items()}

    @cached_property
    def matrix_order(self) -> Array:
        return plotting.correlation_order(self.matrices["train" if self.has_train else "real"])

    @cached_property
    def counts(self) -> dict[str, Array]:
        return {group: metrics.population_count(s) for group, s in self.spikes.items()}

    def neuron_kls(self, values: dict[str, Array]) -> dict[str, Array]:
        """KL of each neuron's values over windows, held-out against each other group."""
        columns = {group: values[group].T for group in self.shown("real", "synthetic", "train")}
        pools = np.concatenate([columns[group] for group in self.shown("real", "train")], axis=1)
        n_bins = _n_bins(self.n["real"])
        return _row_kls(columns, [histogram_edges(p, max_bins=n_bins) for p in pools])

    def window_kls(self, values: dict[str, Array]) -> dict[str, Array]:
        """KL of each window's values over pairs, held-out window i against window i of a group."""
        rows = {group: values[group] for group in self.shown("real", "synthetic", "train")}
        pool = np.concatenate([values[group].ravel() for group in self.shown("real", "train")])
        if self.n_pairs < _MIN_PAIRS or np.isnan(pool).all():
            return {}
        edges = histogram_edges(pool, max_bins=_n_bins(self.n_pairs))
        return _row_kls(rows, [edges] * min(map(len, rows.values())))


def _n_bins(n_values: int) -> int:
    """Bins that the values of one side fill, as the edges come from more of them."""
    return max(2, min(30, n_values // 20))


def _row_kls(rows: dict[str, Array], edges: list[Array]) -> dict[str, Array]:
    """Smoothed KL of each row of the real group against that row of each other group."""
    real, *others = rows
    return {
        group: np.array(
            [
                metrics.smoothed_kl(rows[real][row], rows[group][row], edges=inner)
                for row, inner in enumerate(edges)
            ]
        )
        for group in others
    }


def _present(groups: Any) -> dict[str, Array]:
    order = ("real", "synthetic", "train", "shuffled", "dichotomized_gaussian")
    names = [*order, *(name for name in groups if name not in order)]
    return {
        name: np.asarray(groups[name])
        for name in names
        if groups.get(name) is not None and len(groups[name])
    }
