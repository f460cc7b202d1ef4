"""Simulated movies whose cells, calcium, motion and noise are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.signal import lfilter
from scipy.sparse import csr_array

from calgan.data.movie import Movie, StoredFrames
from calgan.data.recording import Recording
from calgan.data.validation import (
    as_real_array,
    as_seed,
    check_choice,
    check_finite,
    check_integer,
    check_real,
    rng_from,
    shown,
)
from calgan.datasets.footprints import draw_centres, draw_footprints
from calgan.datasets.scenes import RenderedFrames, Scene
from calgan.datasets.simulation import make_process
from calgan.generators.recordings import frames_in

# One seed serves uses that must not share random numbers: other noise leaves the cells alone.
_CENTRES, _CELLS, _LIGHT, _MOTION, _FRAMES = range(5)
_BRIGHTNESS_SPREAD = 0.25  # SD of the log of F0 over cells
_TEXTURE = 0.25  # SD of the log of the light at rest over pixels
_N_FIELDS = 6  # of neuropil
_NEUROPIL_SECONDS = 0.5  # SD of the Gaussian that smooths it in time
_MOTION_SECONDS = 1.0  # in which the tissue comes back
_SMALLEST = 16  # pixels


class _Optics(NamedTuple):
    """What a microscope decides; `outside` is the light outside cells as a share of `photons`."""

    photons: float
    nucleus: float
    neuropil: float
    vignetting: float
    outside: float
    blur: float


_IMAGING = {
    "two-photon": _Optics(10.0, 0.5, 0.1, 0.0, 0.3, 0.1),
    "one-photon": _Optics(100.0, 0.0, 0.5, 0.5, 5.0, 0.4),
}


class _Population(NamedTuple):
    """Calcium of cells in dF/F (T, N), and their spikes (T, N) if known."""

    activity: np.ndarray
    spikes: np.ndarray | None
    frame_rate: float


@dataclass(frozen=True, eq=False, repr=False)
class SimulatedMovie:
    r"""A simulated movie with its truth, as `make_movie` returns it.

    The movie counts photons at gain g, with Poisson noise and read noise. Without motion, the
    expected value of pixel p in frame t is

    .. math:: g \, \bigl( b_t(p) + \sum_i m_i(p) \, c_i(t) \bigr)

    with masks m, calcium c and the light b of the tissue at rest and of the neuropil.

    Parameters
    ----------
    movie : Movie
        The movie (T, H, W), in counts. Frames are drawn when they are read.
    expected : Movie
        The same movie without noise and saturation, in counts.
    centres : ndarray of shape (N, 2)
        Centres of the cells, (x, y) in pixels.
    footprints : csr_array of shape (N, H * W), float32
        The masks as a sparse matrix.
    calcium : ndarray of shape (T, N), float32
        Fluorescence of each cell above rest, in photons a frame at a pixel of weight 1.
    spikes : ndarray of shape (T, N) or None
        Number of spikes in each frame, where the recording knows it.
    background : ndarray of shape (H, W), float32
        Mean over frames of all other light, with that of cells at rest, in photons a frame,
        without motion.
    shifts : ndarray of shape (T, 2), float32
        How far the tissue of a frame lies right of and below its place in the masks, (x, y) in
        pixels.

    Attributes
    ----------
    masks : ndarray of shape (N, H, W), float32
        Weights of the cells in the pixels; those of a cell reach 1 before vignetting.

    Examples
    --------
    >>> from calgan.datasets import make_movie
    >>> truth = make_movie(random_state=0)
    >>> truth.movie.shape, truth.masks.shape, truth.calcium.shape
    ((600, 128, 128), (30, 128, 128), (600, 30))
    """

    movie: Movie
    expected: Movie
    centres: np.ndarray
    footprints: csr_array
    calcium: np.ndarray
    spikes: np.ndarray | None
    background: np.ndarray
    shifts: np.ndarray

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @cached_property
    def masks(self) -> np.ndarray:
        """Weights of the cells in the pixels, (N, H, W), float32."""
        masks = self.footprints.toarray().reshape(-1, *self.movie.shape[1:])
        masks.flags.writeable = False
        return masks

    def __repr__(self) -> str:
        n_frames, height, width = self.movie.shape
        return (
            f"SimulatedMovie({len(self.centres)} cells, {n_frames} frames of "
            f"{height} x {width} pixels)"
        )


def make_movie(
    recording: Recording | None = None,
    shape: tuple[int, int] = (128, 128),
    *,
    n_neurons: int | None = None,
    duration: float | None = None,
    frame_rate: float | None = None,
    imaging: str = "two-photon",
    radius: float = 6.0,
    radius_spread: float = 0.1,
    min_distance: float | None = None,
    centres: Any = None,
    nucleus: float | None = None,
    photons: float | None = None,
    neuropil: float | None = None,
    vignetting: float | None = None,
    read_noise: float = 0.5,
    gain: float = 20.0,
    motion: float = 0.0,
    dtype: Any = "uint16",
    random_state: Any = None,
) -> SimulatedMovie:
    r"""Render a movie of a population's calcium, whose truth is known.

    Cells are smooth, irregular ellipses. A cell with dF/F :math:`d_i(t)` shines with
    :math:`F_i (1 + d_i(t))` photons; its :math:`F_i` is lognormal around `photons`. The tissue
    around it shines as well, with a smooth texture. Neuropil is the mean calcium of the cells
    nearby, smoothed over 0.5 s. Every pixel counts photons with Poisson noise, and the camera adds
    Gaussian read noise. The microscope sets what is None:

    =============================================  ==========  ==========
    \                                              two-photon  one-photon
    =============================================  ==========  ==========
    `photons`                                      10          100
    `nucleus`                                      0.5         0
    `neuropil`                                     0.1         0.5
    `vignetting`                                   0           0.5
    light outside cells, as a share of `photons`   0.3         5
    blur, standard deviation in radii              0.1         0.4
    =============================================  ==========  ==========

    Parameters
    ----------
    recording : Recording, default=None
        The population, in dF/F. Of one that `sample_recording` drew, its calcium is rendered; of
        any other, its traces with their noise. None draws the population with `make_process`.
    shape : tuple of int, default=(128, 128)
        Height and width of the movie (pixels).
    n_neurons, duration, frame_rate : int, float, float, default=None
        Cells, length (s) and frames per second (Hz) of a population that is drawn; None takes 30
        cells, 60 s and 10 Hz.
    imaging : {"two-photon", "one-photon"}, default="two-photon"
        The microscope.
    radius : float, default=6.0
        Mean radius of the cells (pixels).
    radius_spread : float, default=0.1
        Standard deviation of the radii, as a share of `radius`.
    min_distance : float, default=None
        Smallest distance between centres that are drawn (pixels); less than 2 * `radius` lets
        cells overlap. None takes 2.5 * `radius`.
    centres : array-like of shape (N, 2), default=None
        Centres of the cells, (x, y) in pixels, such as ``recording.metadata["positions"]``. None
        draws them.
    nucleus : float, default=None
        Radius of the dark nucleus, as a share of the cell's; 0 has none.
    photons : float, default=None
        Photons a frame of a cell at rest, in its brightest pixel.
    neuropil : float, default=None
        Standard deviation over time of the neuropil, as a share of `photons`.
    vignetting : float, default=None
        Share of the light that the corners lose.
    read_noise : float, default=0.5
        Standard deviation of the camera's noise (photons).
    gain : float, default=20.0
        Counts per photon.
    motion : float, default=0.0
        Root mean square of the tissue's shift (pixels), which comes back to 0 within about 1 s.
    dtype : {"uint16", "float32"}, default="uint16"
        Type of the counts. Those of uint16 are whole and lie between 0 and 65535.
    random_state : int, RandomState, Generator or None, default=None
        Seed of everything that is drawn. The cells of a seed do not depend on noise and motion.

    Returns
    -------
    SimulatedMovie
        The movie and its truth. Frames are drawn when they are read, each with its own seed, so
        that a movie of any length takes little memory.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If a number is out of its range, the recording is not in dF/F or holds NaN, centres lie
        outside the frame, or the cells do not fit in it.

    See Also
    --------
    make_recording : Traces of such a population.

    Examples
    --------
    >>> from calgan.datasets import make_movie
    >>> truth = make_movie(n_neurons=10, duration=20.0, imaging="one-photon", random_state=0)
    >>> truth
    SimulatedMovie(10 cells, 200 frames of 128 x 128 pixels)
    >>> truth.movie.frames[50:60].dtype
    dtype('uint16')
    """
    optics = _IMAGING[check_choice(imaging, "imaging", _IMAGING)]
    given = {
        "photons": _given("photons", photons, above=0.0),
        "nucleus": _given("nucleus", nucleus, least=0.0, below=1.0),
        "neuropil": _given("neuropil", neuropil, least=0.0),
        "vignetting": _given("vignetting", vignetting, least=0.0, below=1.0),
    }
    optics = optics._replace(**{name: x for name, x in given.items() if x is not None})
    height, width = _check_shape(shape)
    radius = check_real("radius", radius, least=1.0)
    spread = check_real("radius_spread", radius_spread, least=0.0, below=0.3)
    distance = _given("min_distance", min_distance, least=0.0)
    read_noise = check_real("read_noise", read_noise, least=0.0)
    gain = check_real("gain", gain, above=0.0)
    motion = check_real("motion", motion, least=0.0, below=min(height, width) / 4)
    kind = _check_dtype(dtype)
    seed = as_seed(random_state)
    activity, spikes, frame_rate = _population(recording, n_neurons, duration, frame_rate, seed)
    n_frames, n_cells = activity.shape
    if centres is None:
        apart = 2.5 * radius if distance is None else distance
        rng = rng_from(seed, _CENTRES)
        places = draw_centres(n_cells, (height, width), apart, radius, rng)
    else:
        places = _check_centres(centres, n_cells, (height, width))

    shifts = _draw_shifts(n_frames, motion, frame_rate, rng_from(seed, _MOTION))
    margin = math.ceil(np.abs(shifts).max()) + 2 if motion else 0  # what comes into view
    canvas = (height + 2 * margin, width + 2 * margin)
    rng = rng_from(seed, _CELLS)
    at_rest = optics.photons * np.exp(_BRIGHTNESS_SPREAD * rng.standard_normal(n_cells))
    footprints = draw_footprints(
        places + margin,
        canvas,
        radii=radius * (1.0 + spread * np.clip(rng.standard_normal(n_cells), -3.0, 3.0)),
        blur=optics.blur * radius,
        nucleus=optics.nucleus,
        rng=rng,
    )
    rng = rng_from(seed, _LIGHT)
    rest = optics.photons * optics.outside * np.exp(_TEXTURE * _smooth(canvas, 3 * radius, rng))
    rest = rest.ravel() + footprints.T @ at_rest
    fields, courses = _neuropil(activity, places + margin, canvas, frame_rate, rng)
    courses *= optics.photons * optics.neuropil
    scene = Scene(
        footprints=csr_array(footprints.T),
        calcium=(np.maximum(activity, -1.0) * at_rest).astype(np.float32),
        rest=rest.astype(np.float32),
        fields=fields,
        courses=courses.astype(np.float32),
        shifts=shifts,
        seen=_vignette((height, width), optics.vignetting),
        margin=margin,
    )
    frames = RenderedFrames(scene, gain, read_noise, kind, as_seed(rng_from(seed, _FRAMES)))
    expected = replace(frames, dtype=np.dtype(np.float32), seed=None)
    metadata = {"synthetic": True, "source": "calgan.datasets.make_movie"}
    inside = np.pad(np.ones((height, width), bool), margin).ravel()
    background = (rest + fields @ courses.mean(axis=0))[inside].reshape(height, width)
    return SimulatedMovie(
        movie=Movie(StoredFrames(frames), frame_rate, metadata=metadata),
        expected=Movie(StoredFrames(expected), frame_rate, metadata=metadata),
        centres=places,
        footprints=csr_array(footprints[:, inside].multiply(scene.seen.ravel()), dtype=np.float32),
        calcium=scene.calcium,
        spikes=spikes,
        background=(background * scene.seen).astype(np.float32),
        shifts=shifts,
    )


def _population(
    recording: Any, n_neurons: Any, duration: Any, frame_rate: Any, seed: int
) -> _Population:
    """Read the cells' calcium from a recording, or draw a population."""
    if recording is None:
        process = make_process(
            30 if n_neurons is None else n_neurons,
            frame_rate=10.0 if frame_rate is None else frame_rate,
            random_state=seed,
        )
        none = np.zeros(process.n_neurons)
        quiet = replace(process, noise=none, baselines=none)
        n_frames = frames_in(60.0 if duration is None else duration, process.frame_rate)
        windows, counts = quiet.sample_windows(1, n_frames, random_state=seed)
        return _Population(windows[0], counts[0], process.frame_rate)
    if not isinstance(recording, Recording):
        raise TypeError(
            f"recording must be a Recording or None, got {shown(recording)}; make one with "
            "calgan.Recording(traces, frame_rate)."
        )
    for name, value in (
        ("n_neurons", n_neurons),
        ("duration", duration),
        ("frame_rate", frame_rate),
    ):
        if value is not None:
            raise ValueError(
                f"{name} is of a population that is drawn, but the recording has its own; leave "
                "one of them out."
            )
    if recording.units != "dF/F":
        raise ValueError(
            f"recording must be in dF/F, but its units are {recording.units!r}; of raw "
            "fluorescence calgan.io.delta_f_over_f makes dF/F."
        )
    components = recording.metadata.get("components") or {}
    calcium, spikes = components.get("calcium"), components.get("spikes")
    activity = np.asarray(recording.traces if calcium is None else calcium)
    if spikes is None:
        spikes = recording.metadata.get("spikes")
    if not np.isfinite(activity).all():
        raise ValueError(
            "recording holds NaN or infinity between its segments; make the movie of one segment, "
            "recording[start:stop]."
        )
    return _Population(activity, spikes, recording.frame_rate)


def _draw_shifts(
    n_frames: int, motion: float, frame_rate: float, rng: np.random.Generator
) -> np.ndarray:
    """Return shifts (T, 2) of a random walk that is drawn back, of a root mean square `motion`."""
    shifts = rng.standard_normal((n_frames, 2))
    rho = math.exp(-1.0 / (frame_rate * _MOTION_SECONDS))
    shifts[1:] *= math.sqrt(1.0 - rho**2)  # frame 0 is drawn from the stationary law
    shifts = lfilter([1.0], [1.0, -rho], shifts, axis=0)
    shifts *= motion / math.sqrt((shifts**2).sum(axis=1).mean())
    return shifts.astype(np.float32)


def _neuropil(
    activity: np.ndarray,
    centres: np.ndarray,
    shape: tuple[int, int],
    frame_rate: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return fields (H * W, K), which sum to 1, and courses (T, K) of unit standard deviation."""
    scale = min(shape) / 8
    fields = np.exp(2.0 * np.stack([_smooth(shape, scale, rng) for _ in range(_N_FIELDS)]))
    fields /= fields.sum(axis=0)
    column, row = np.round(centres).astype(int).T
    near = fields[:, row, column]
    courses = activity @ (near / near.sum(axis=1, keepdims=True)).T
    courses = gaussian_filter1d(courses, _NEUROPIL_SECONDS * frame_rate, axis=0)
    courses -= courses.min(axis=0)
    spread = courses.std(axis=0)
    courses /= np.where(spread > 0.0, spread, 1.0)  # a silent population has none
    return fields.reshape(_N_FIELDS, -1).T.astype(np.float32, order="C"), courses


def _smooth(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Return a smooth random image of mean 0 and standard deviation 1; `scale` is in pixels."""
    image = gaussian_filter(rng.standard_normal(shape), scale, mode="wrap")
    return (image - image.mean()) / image.std()


def _vignette(shape: tuple[int, int], loss: float) -> np.ndarray:
    """Return the share of light that each pixel sees: 1 in the middle, 1 - loss in the corners."""
    y, x = (np.linspace(-1.0, 1.0, n) for n in shape)
    return (1.0 - loss * (x**2 + y[:, None] ** 2) / 2.0).astype(np.float32)


def _given(name: str, value: Any, **bounds: float) -> float | None:
    """Check a number that may be None."""
    return None if value is None else check_real(name, value, **bounds)


def _check_shape(shape: Any) -> tuple[int, int]:
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise TypeError(f"shape must be (height, width) in pixels, got {shown(shape)}.")
    height, width = (
        check_integer(n, f"shape[{axis}]", minimum=_SMALLEST) for axis, n in enumerate(shape)
    )
    return height, width


def _check_dtype(dtype: Any) -> np.dtype:
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = dtype
    return np.dtype(check_choice(name, "dtype", ("uint16", "float32")))


def _check_centres(centres: Any, n_cells: int, shape: tuple[int, int]) -> np.ndarray:
    places = as_real_array(centres, "centres").astype(float)
    if places.shape != (n_cells, 2):
        raise ValueError(
            f"centres must be one (x, y) for each of the {n_cells} cells, got shape {places.shape}."
        )
    check_finite(places, "centres", axes=("cell", "axis"))
    outside = ((places < 0) | (places > np.array(shape[::-1]) - 1)).any(axis=1)
    if outside.any():
        cell = int(outside.argmax())
        x, y = places[cell]
        raise ValueError(
            f"cell {cell} of centres lies at ({x:g}, {y:g}), outside the frame of {shape[1]} x "
            f"{shape[0]} pixels (x, y); scale the centres or take a larger shape."
        )
    return places
