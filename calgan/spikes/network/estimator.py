"""Spikes from calcium traces by networks that are trained on recordings with known spikes."""

from __future__ import annotations

import copy
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from calgan.data.recording import Recording
from calgan.data.resampling import resampled_counts
from calgan.data.transformer import Transformer
from calgan.data.validation import (
    as_seed,
    check_choice,
    check_integer,
    check_real,
    common_frame_rate,
    rng_from,
)
from calgan.data.windows import segments_of
from calgan.io.model_files.saving import SavingMixin
from calgan.spikes._noise import UNLIKE_GROUND_TRUTH, kinds_of, names_of_kinds
from calgan.spikes.network.convolutions import SpikeNetwork, expected_spikes
from calgan.spikes.network.counts import whole_counts
from calgan.spikes.network.ground_truth import (
    SLOWEST,
    Cell,
    Raw,
    make_bank,
    read_ground_truth,
    simulated,
    weights_of,
    without_unlearnable,
)
from calgan.spikes.network.lags import lag_between, median_lag
from calgan.spikes.network.statistics import (
    NAMES,
    grid_rate_of,
    moments,
    on_grid,
    place_of,
    standardised,
)
from calgan.spikes.network.training import Schedule, Windows, train_network
from calgan.spikes.oasis import to_spike_trains
from calgan.training.checkpoints import as_tensors, check_tensors
from calgan.training.devices import make_fabric, preserved_rng
from calgan.training.loop import clock

# Written by benchmarks/simulated_networks.py.
_FILE = Path(__file__).with_name("simulated.calgan")
# Independent uses of one seed.
_BANK, _INIT, _TRAIN, _NEAR_BANK, _FINE_TUNE, _SIMULATED = range(6)
_N_VARIANTS = 2  # degraded ones of each neuron
# Shares of the steps and of the step size that fine-tuning takes.
_TUNING_STEPS, _TUNING_RATE = 0.2, 0.25
# Root mean square difference of standardised statistics at which a weight has fallen to 1 / e.
_DISTANCE = 0.5
_LAG_STEPS = 5000  # of the grid, that the check of lags looks at
_NOT_ADAPTED = "This %(name)s knows no frame rate yet: take what adapt(recording) returns."
# What is known of the neurons of the recording that networks were adapted to.
_OF_NEURONS = (
    "n_features_in_",
    "feature_names_in_",
    "frame_rate_",
    "units_",
    "roi_ids_",
    "positions_",
    "centre_",
    "scale_",
    "statistics_",
)
_BATCH_STEPS = 2**16  # of the grid, over all traces of a batch


class SpikeInferenceNetwork(SavingMixin, Transformer):
    r"""Infer spikes from calcium traces with networks that learnt them from known spikes.

    ``fit(recordings, spikes)`` trains on recordings whose spikes are known. ``fit(X)`` alone takes
    the networks that come with calgan, which were trained on simulated recordings, and finds the
    place of X's neurons among these; parameters of the training then mean nothing. Each trace (each
    window of windowed data) is inferred by itself. Not invertible.

    Parameters
    ----------
    adaptation : {"conditional", "embedding"}, default="conditional"
        How networks are adapted to a recording, of which they see the statistics of each neuron,
        and no spikes. ``"conditional"``: the statistics are an input of the networks.
        ``"embedding"``: the networks are trained further on the ground truth, which is brought to
        the recording's frame rate and noise level; neurons count the more, the nearer their
        statistics are to the recording's. It takes a fifth of the time of `fit` for each recording.
    frame_rate : float, default=None
        Frames per second (Hz) of arrays; a `Recording` and windows of one have their own.
    output : {"expected", "counts"}, default="expected"
        ``"expected"``: spikes expected in each frame, not negative. ``"counts"``: whole numbers,
        which `calgan.evaluate`, scorers and displays ask for.
    n_simulated : int, default=400
        Simulated cells (150 s each) that `fit` adds to the ground truth, a third of all that is
        learnt: networks then do better on recordings of other kinds. 0 adds none.
    n_networks : int, default=3
        Networks that are trained, each from its own seed; their mean is returned.
    filters : int, default=32
        Channels of the networks.
    max_iter : int, default=1200
        Training steps of each network, of 32 windows of about 20 s.
    max_time : float, default=None
        Limit of `fit` in seconds, simulated cells included; networks share what is left.
    learning_rate : float, default=0.002
        Largest step size of AdamW.
    device : str, default="auto"
        Where networks are trained: "auto", "cpu", "cuda", "cuda:<number>" or "mps".
    verbose : int, default=None
        1 shows a progress bar, 0 does not, None does on a terminal.
    random_state : int, RandomState, Generator or None, default=None
        Seed of initialisation and training.

    Attributes
    ----------
    networks_ : list of torch.nn.Module
        Trained networks, on the CPU.
    history_ : list of dict
        "network", "step" and "loss" of each step, steps of fine-tuning last. The loss is the mean
        squared error of spikes, divided for each neuron by about the root of its mean squared
        count. Empty for the networks that come with calgan.
    n_iter_ : int
        Steps taken, of all networks, fine-tuning included.
    stopped_ : str
        Why the training of the last network ended, as for `CalciumGAN`.
    lag_ : float or None
        Time (s) by which inferred spikes of the ground truth come late, the median over neurons;
        None if they are too few to tell.
    mean_, sd_ : ndarray of shape (S,)
        Mean and standard deviation of the statistics over the ground truth.
    ground_truth_ : list
        Neurons learnt, if ``adaptation="embedding"``; what `adapt` returned has none.
    seed_ : int
        Seed in force.
    centre_, scale_ : ndarray of shape (N,)
        Median and standard deviation of each neuron; after ``fit(X)`` and in what `adapt` returns,
        as are all that follow.
    statistics_ : ndarray of shape (N, S)
        Statistics of each neuron.
    n_features_in_ : int
        Number of neurons N.
    frame_rate_, units_, roi_ids_ : float, str, ndarray of shape (N,), or None
        Frame rate (Hz), units and ids of the neurons.

    Raises
    ------
    ValueError
        By `fit`, if the spikes do not fit the recordings, are negative or NaN, or if there are
        none; if no frame rate is known.

    Warns
    -----
    UserWarning
        By `fit`, one that names recordings whose spikes lie more than 0.25 s before or after those
        that are inferred: their clocks differ; one that names recordings of which neurons cannot be
        learnt. By all that adapts, one that names neurons whose traces are constant, denoised,
        rectified or saturated, and frame rates below 2.5 Hz.

    Notes
    -----
    *Frame rates*: networks work at the rate nearest to 25 Hz that is a whole multiple or part of
    the frame rate. Slower traces are interpolated, frames of faster ones averaged. Each neuron is
    learnt as it is and in two random variants: slower (from 2.5 Hz), noisier, shorter, or several.

    *Statistics*: noise level (the median of :math:`|y_{t+1} - y_t|` divided by the root of the
    frame rate), frame rate, skewness, kurtosis, quantiles, autocorrelation from 0.12 to 4 s, power
    in octaves of time, and Hurst exponent, as [1]_ and [2]_ chose them or alike. Traces are divided
    by their standard deviation first, so that gain and offset do not matter.

    *Network*: a convolution of 9 steps and five residual ones of 5, dilated up to 16 steps: the
    output depends on 2.6 s on either side. The loss is the mean squared error of spikes in a step.

    *Units*: how many spikes an increase of fluorescence stands for differs between indicators and
    neurons, and is not known without spikes. Times are more reliable than numbers of spikes.

    *Counts*: expected spikes add up, and are forgotten with a time constant of 1 s; a spike is set
    where they reach one half, and taken from the sum. Spikes that are expected at a steady rate
    below 0.5 Hz are lost.

    *Lags*: a shift that all recordings of the ground truth share is learnt, and not noticed.

    References
    ----------
    .. [1] Rupprecht, P., Gerhard, S., and Friedrich, R. W. (2018), in: Berens, P., et al.
       Community-based benchmarking improves spike rate inference from two-photon calcium imaging
       data. PLOS Computational Biology, 14(5), e1006157.
       https://doi.org/10.1371/journal.pcbi.1006157
    .. [2] Rupprecht, P., et al. (2021). A database and deep learning toolbox for noise-optimized,
       generalized spike inference from calcium imaging. Nature Neuroscience, 24, 1324-1337.
       https://doi.org/10.1038/s41593-021-00895-5

    Examples
    --------
    >>> from calgan import SpikeInferenceNetwork
    >>> from calgan.datasets import make_recording
    >>> recording, spikes = make_recording(60.0, n_neurons=4, random_state=0)
    >>> network = SpikeInferenceNetwork(n_simulated=0, n_networks=1, max_iter=2, random_state=0)
    >>> network.fit(recording, spikes).transform(recording)
    Recording(600 frames x 4 neurons, 10 Hz, 60.0 s, spikes)
    """

    networks_: list[SpikeNetwork]
    history_: list[dict[str, Any]]
    frame_rate_: float
    mean_: NDArray[np.float64]
    sd_: NDArray[np.float64]
    lag_: float | None
    statistics_: NDArray[np.float64]

    def __init__(
        self,
        adaptation: str = "conditional",
        *,
        frame_rate: float | None = None,
        output: str = "expected",
        n_simulated: int = 400,
        n_networks: int = 3,
        filters: int = 32,
        max_iter: int = 1200,
        max_time: float | None = None,
        learning_rate: float = 2e-3,
        device: str = "auto",
        verbose: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.adaptation = adaptation
        self.frame_rate = frame_rate
        self.output = output
        self.n_simulated = n_simulated
        self.n_networks = n_networks
        self.filters = filters
        self.max_iter = max_iter
        self.max_time = max_time
        self.learning_rate = learning_rate
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on recordings with known spikes; without spikes, adapt calgan's own networks to X.

        Parameters
        ----------
        X : Recording, array-like (T, N), or list of these
            Recordings, which may differ in neurons and frame rate. Without `y`, all that
            `transform` takes.
        y : array-like (T, N), or list of these, default=None
            True number of spikes in each frame of each recording.

        Returns
        -------
        self : SpikeInferenceNetwork
            The fitted networks; without `y`, adapted to X.
        """
        started = clock()
        self._check_parameters()
        learner = copy.copy(self)
        for name in [each for each in vars(self) if each.endswith("_")]:
            delattr(learner, name)
        if y is None:
            if self.adaptation == "embedding":
                raise ValueError(
                    "adaptation='embedding' needs ground truth: pass recordings and their spikes "
                    "to fit. The networks that come with calgan are adaptation='conditional'."
                )
            learner.__dict__.update(copy.deepcopy(_networks_of_calgan()))
            learner = learner._adapted(X)
        else:
            learner._train(read_ground_truth(X, y, self.frame_rate), started)
        self.__dict__ = learner.__dict__  # all at once: a fit that fails changes nothing
        return self

    def adapt(self, X: Any) -> Self:
        """Return a copy that is adapted to the neurons of a recording, whose spikes are not known.

        The copy keeps each neuron's scale and statistics, so that other data of the neurons, real
        or synthetic, are inferred alike.

        Parameters
        ----------
        X : Recording, array-like (T, N) or (M, T, N), list of trials, or WindowView
            Traces.

        Returns
        -------
        SpikeInferenceNetwork
            The adapted copy.

        Examples
        --------
        >>> from calgan import SpikeInferenceNetwork
        >>> from calgan.datasets import make_recording
        >>> recording, spikes = make_recording(60.0, n_neurons=4, random_state=0)
        >>> network = SpikeInferenceNetwork(n_simulated=0, n_networks=1, max_iter=2, random_state=0)
        >>> network.fit(recording, spikes).adapt(recording).n_features_in_
        4
        """
        check_is_fitted(self, "networks_")
        return self._adapted(X)

    def _train(self, cells: list[Raw], started: float) -> None:
        """Train the networks on the neurons of the ground truth."""
        self.seed_ = as_seed(self.random_state)
        cells = without_unlearnable(cells)
        bank = make_bank(cells, _N_VARIANTS, rng_from(self.seed_, _BANK))
        bank += simulated(self.n_simulated, rng_from(self.seed_, _SIMULATED))
        self.mean_, self.sd_ = moments(np.array([cell.statistics for cell in bank]))
        self.networks_, self.history_, self.stopped_ = [], [], ""
        n_statistics = len(NAMES) if self.adaptation == "conditional" else 0
        seeds = rng_from(self.seed_, _INIT).integers(2**62, size=self.n_networks).tolist()
        with preserved_rng():
            networks = [SpikeNetwork(self.filters, n_statistics, seed) for seed in seeds]
        weights = weights_of(bank)
        self._train_all(networks, bank, weights, self._schedule(), _TRAIN, started)
        if self.adaptation == "embedding":
            self.ground_truth_ = cells
        self.lag_ = self._check_lags(bank)

    def _train_all(
        self,
        networks: list[SpikeNetwork],
        bank: list[Cell],
        weights: NDArray[np.float64],
        schedule: Schedule,
        stream: int,
        started: float,
    ) -> None:
        """Train networks one after the other, and keep those whose training began."""
        table = np.stack([self._standardised(cell.statistics) for cell in bank])
        windows = Windows(bank, table, weights)
        device = make_fabric(self.device).device
        spent = clock() - started
        for k, network in enumerate(networks):
            rows, self.stopped_ = train_network(
                network,
                windows,
                schedule.share(k + 1, len(networks), spent),
                (self.seed_, stream, k),
                device=device,
                started=started,
                description=f"{type(self).__name__}: network {k + 1} of {len(networks)}",
            )
            self.networks_.append(network)
            self.history_ += [{"network": k, **row} for row in rows]
            if self.stopped_ == "interrupted":
                if stream == _FINE_TUNE:  # the others are trained, if not tuned
                    self.networks_ += networks[k + 1 :]
                break
        self.n_iter_ = len(self.history_)

    def _schedule(self, share: float = 1.0, rate: float = 1.0) -> Schedule:
        return Schedule(
            max(1, round(share * self.max_iter)),
            rate * self.learning_rate,
            None if self.max_time is None else share * self.max_time,
            self.verbose,
        )

    def _check_lags(self, bank: list[Cell]) -> float | None:
        """Return the median lag of inferred spikes (s), and warn of recordings with another one."""
        lags = []
        for cell in bank:
            if cell.is_degraded:
                continue
            longest = int(np.argmax([len(each) for each in cell.traces]))
            trace, counts = (each[longest][:_LAG_STEPS] for each in (cell.traces, cell.counts))
            found = self._on_grid(trace[np.newaxis], cell.statistics[np.newaxis]).mean(axis=0)[0]
            lags.append(lag_between(found, counts, cell.rate, cell.recording))
        return median_lag(lags)

    def _adapted(self, X: Any) -> Self:
        """Return a copy with the scale and statistics of X's neurons."""
        started, placed = clock(), copy.copy(self)
        read = placed._read(X, encoded=False, check_orientation=True)
        own = self.frame_rate if read.frame_rate is None else read.frame_rate
        frame_rate = common_frame_rate({"X": own}, needed_by=type(self).__name__)
        segments = segments_of(read.data)
        placed._learn(X, read)
        placed.frame_rate_ = frame_rate
        placed.centre_, placed.scale_, placed.statistics_, noise = place_of(segments, frame_rate)
        told = names_of_kinds(kinds_of(segments), UNLIKE_GROUND_TRUTH)
        if frame_rate < SLOWEST:
            told.append(
                f"Networks learn recordings of {SLOWEST:g} frames a second and more; what they "
                f"infer from {frame_rate:g} Hz is uncertain."
            )
        if told:
            warnings.warn(" ".join(told), UserWarning, stacklevel=3)
        constant = placed.scale_ == 0
        if self.adaptation == "embedding" and not constant.all():
            placed._fine_tune(noise[~constant], ~constant, started)
        return placed

    def _fine_tune(self, noise: NDArray[np.float64], varies: np.ndarray, started: float) -> None:
        """Train copies of the networks on ground truth like the recording, the nearest most."""
        if not hasattr(self, "ground_truth_"):
            raise ValueError(
                "these networks have no ground truth: they were adapted to another recording, or "
                "adaptation='embedding' was set after fit. Adapt what fit(recordings, spikes) "
                "returns."
            )
        rng = rng_from(self.seed_, _NEAR_BANK)
        level = float(np.median(noise))
        near = [cell.like(self.frame_rate_, level, rng) for cell in self.ground_truth_]
        bank = make_bank([*near, *self.ground_truth_], 0, rng)
        table = np.stack([self._standardised(cell.statistics) for cell in bank])
        own = self._standardised(np.median(self.statistics_[varies], axis=0))
        distance = np.sqrt(np.mean((table - own) ** 2, axis=1))
        weights = weights_of(bank) * np.exp(-(distance - distance.min()) / _DISTANCE)
        networks, self.networks_ = copy.deepcopy(self.networks_), []
        self.history_ = list(self.history_)
        schedule = self._schedule(_TUNING_STEPS, _TUNING_RATE)
        self._train_all(networks, bank, weights, schedule, _FINE_TUNE, started)
        del self.ground_truth_  # they are of this recording from here on

    def _standardised(self, statistics: NDArray[np.float64]) -> NDArray[np.float32]:
        """Statistics (..., S) relative to the ground truth; those not known are its mean."""
        return np.nan_to_num((statistics - self.mean_) / self.sd_).astype(np.float32)

    def _scaled(self, traces: np.ndarray, neurons: np.ndarray) -> NDArray[np.float64]:
        """Traces (t, n) of some neurons without their median, in standard deviations."""
        return standardised(traces, self.centre_[neurons], self.scale_[neurons])

    def transform(self, X: Any) -> Any:
        """Infer spikes.

        Parameters
        ----------
        X : Recording, array-like (T, N) or (M, T, N), list of trials, or WindowView
            Traces; of the neurons that the networks were adapted to, if they were. Else they are
            adapted to X first.

        Returns
        -------
        Recording, ndarray shaped like X, float32, or list of these
            Spikes expected in each frame, or their whole number: the same kind as X, an array for a
            view. Frames outside a Recording's segments hold 0.
        """
        self._check_parameters()
        return self._inferred(X, lambda each: each.mean(axis=0), whole=self.output == "counts")

    def spread(self, X: Any) -> Any:
        """Return the standard deviation of the expected spikes over the networks, by frame.

        It tells how far networks of different seeds agree, and not how far they are from the truth.

        Parameters
        ----------
        X : Recording, array-like (T, N) or (M, T, N), list of trials, or WindowView
            As for `transform`.

        Returns
        -------
        Recording, ndarray shaped like X, float32, or list of these
            Standard deviation in spikes; 0 of a single network.
        """
        return self._inferred(X, lambda each: each.std(axis=0), whole=False)

    def to_spike_trains(self, spikes: ArrayLike, t_start: float = 0.0) -> list[Any]:
        """Turn whole numbers of spikes into neo spike trains at the adapted frame rate.

        Parameters
        ----------
        spikes : array-like of shape (T, N) or (M, T, N)
            Spikes as `transform` returns them with ``output="counts"``.
        t_start : float, default=0.0
            Time of the first frame in seconds.

        Returns
        -------
        trains : list of neo.SpikeTrain, or list of such lists
            One a neuron. Spikes of one frame follow each other at equal intervals.
        """
        check_is_fitted(self, "frame_rate_", msg=_NOT_ADAPTED)
        counts = np.asarray(spikes)
        if not np.array_equal(counts, np.rint(counts)):
            raise ValueError(
                "spikes must be whole numbers, but some are not: infer them with output='counts'."
            )
        return to_spike_trains(counts, self.frame_rate_, t_start)

    def _inferred(self, X: Any, reduce: Any, *, whole: bool) -> Any:
        check_is_fitted(self, "networks_")
        if not hasattr(self, "n_features_in_"):
            return self._adapted(X)._inferred(X, reduce, whole=whole)
        read = self._check(X, encoded=False)
        common_frame_rate({"X": read.frame_rate, "the data adapted to": self.frame_rate_})
        return self._spikes_of(read.data, reduce, whole)

    def _spikes_of(self, data: Any, reduce: Any, whole: bool) -> Any:
        if isinstance(data, list):
            return [self._spikes_of(trial, reduce, whole) for trial in data]
        if isinstance(data, Recording):
            spikes = np.zeros(data.shape, dtype=np.float32)
            for (start, stop), part in zip(data.segments, data.segment_traces(), strict=True):
                spikes[start:stop] = self._of_windows(part[np.newaxis], reduce, whole)[0]
            return data.with_traces(spikes, "spikes")
        if data.ndim == 2:
            return self._of_windows(np.asarray(data)[np.newaxis], reduce, whole)[0]
        steps = data.shape[1] * data.shape[2] * grid_rate_of(self.frame_rate_) / self.frame_rate_
        each = max(1, int(_BATCH_STEPS / steps))
        found = [
            self._of_windows(np.asarray(data[first : first + each]), reduce, whole)
            for first in range(0, len(data), each)
        ]
        return np.concatenate(found)

    def _of_windows(self, windows: np.ndarray, reduce: Any, whole: bool) -> NDArray[np.float32]:
        """Spikes (m, T, N) of windows, traces by traces."""
        n_windows, n_frames, n_neurons = windows.shape
        # Frames first: (T, m N), neurons of a window side by side.
        flat = windows.transpose(1, 0, 2).reshape(n_frames, -1)
        spikes = np.zeros(flat.shape, dtype=np.float32)
        varies = np.flatnonzero(self.scale_[np.arange(flat.shape[1]) % n_neurons] > 0)
        grid = grid_rate_of(self.frame_rate_)
        each = max(1, int(_BATCH_STEPS * self.frame_rate_ / (n_frames * grid)))
        for first in range(0, len(varies), each):
            chosen = varies[first : first + each]
            neurons = chosen % n_neurons
            traces = on_grid(self._scaled(flat[:, chosen], neurons), self.frame_rate_).T
            found = reduce(self._on_grid(traces, self.statistics_[neurons]))
            spikes[:, chosen] = resampled_counts(found.T, grid, self.frame_rate_, n_frames)
        if whole:
            spikes = whole_counts(spikes, self.frame_rate_)
        return spikes.reshape(n_frames, n_windows, n_neurons).transpose(1, 0, 2)

    def _on_grid(self, traces: np.ndarray, statistics: NDArray[np.float64]) -> NDArray[np.float32]:
        """Output (K, m, t) of each network from traces (m, t) on the grid."""
        x = torch.from_numpy(np.ascontiguousarray(traces, dtype=np.float32))
        place = torch.from_numpy(self._standardised(statistics))
        found = [expected_spikes(network, x, place).numpy() for network in self.networks_]
        return np.stack(found)

    def _to_save(self) -> dict[str, Any]:
        """Return what was learnt, of networks their tensors; what it was not adapted to is None."""
        if hasattr(self, "ground_truth_"):
            raise ValueError(
                "networks of adaptation='embedding' keep their ground truth, which model files do "
                "not hold: joblib.dump(network, path) writes it."
            )
        networks = {str(k): network.state_dict() for k, network in enumerate(self.networks_)}
        learnt = {name: value for name, value in vars(self).items() if name != "networks_"}
        return {**dict.fromkeys(_OF_NEURONS), **learnt, "networks": networks}

    def _take_saved(self, values: dict[str, Any]) -> None:
        """Take what `_to_save` gave, if its tensors are those of such networks."""
        self._check_parameters()
        tensors = as_tensors(values.pop("networks"))
        known = [name for name in _OF_NEURONS if values.get(name) is not None]
        if known and values["n_features_in_"] is None:
            raise ValueError("it says of neurons to which it was not adapted")
        if values["n_features_in_"] is None:
            values = {name: each for name, each in values.items() if name not in _OF_NEURONS}
        self.networks_ = []
        for k in range(len(tensors)):
            with torch.device("meta"):
                n_statistics = len(NAMES) if self.adaptation == "conditional" else 0
                network = SpikeNetwork(_width_of(tensors.get(str(k))), n_statistics, None)
            check_tensors(tensors[str(k)], network.state_dict())
            network.load_state_dict(tensors[str(k)], assign=True)
            self.networks_.append(network.eval())
        if not self.networks_:
            raise ValueError("it holds no network")
        self.__dict__.update(values)

    def _check_parameters(self) -> None:
        check_choice(self.adaptation, "adaptation", ("conditional", "embedding"))
        check_choice(self.output, "output", ("expected", "counts"))
        for name in ("n_networks", "filters", "max_iter"):
            check_integer(getattr(self, name), name)
        check_integer(self.n_simulated, "n_simulated", minimum=0)
        check_real("learning_rate", self.learning_rate, above=0)
        if self.max_time is not None:
            check_real("max_time", self.max_time, above=0)


def _width_of(tensors: Any) -> int:
    """Number of channels of a network's tensors."""
    weight = tensors.get("last.weight") if isinstance(tensors, dict) else None
    if weight is None or weight.ndim != 3 or weight.shape[1] < 1:
        raise ValueError("it holds no network")
    return int(weight.shape[1])


@cache
def _networks_of_calgan() -> dict[str, Any]:
    """What the networks that come with calgan have learnt."""
    network = SpikeInferenceNetwork.load(_FILE)
    params = network.get_params(deep=False)
    return {name: value for name, value in vars(network).items() if name not in params}
