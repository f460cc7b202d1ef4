"""Motion of the whole field of view: measured in each frame, and undone."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import fft
from scipy.ndimage import uniform_filter
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from calgan.data.movie import Movie, check_movie
from calgan.data.progress import progress
from calgan.data.validation import check_integer

_CHUNK_VALUES = 1 << 22  # of frames that are measured at a time: 16 MB as float32
_TEMPLATE_FRAMES = (32, 200)  # of which the template is the mean; fewer of large frames
_TEMPLATE_VALUES = 1 << 25
_REFINEMENTS = 3
_BACKGROUND = 17  # px: what is wider than about this is taken for background
_SMOOTHING = 1.0  # px: standard deviation of the Gaussian that takes away the noise of pixels
_UNLIKE = 0.3  # share of the usual correlation with the template: less is no image of the tissue
_UNCERTAIN = 1.0  # px: a larger error of the shifts is worth a warning
_SMALLEST = 16  # px
_NAMED = 5  # frames that a message names


class MotionCorrector(TransformerMixin, BaseEstimator):
    """Undoes shifts of the whole image, which differ from frame to frame (rigid motion).

    Parameters
    ----------
    max_shift : int, default=None
        Largest shift (pixels) in x and in y that is looked for. None takes a tenth of the shorter
        side of a frame.
    verbose : int, default=None
        1 shows a progress bar, 0 none; None shows it on a terminal only.

    Attributes
    ----------
    shifts_ : ndarray of shape (T, 2)
        Shift (x, y) of each frame, in pixels: what the template has at (x, y) lies in frame t at
        ``(x, y) + shifts_[t]``.
    template_ : ndarray of shape (H, W), float32
        Mean of up to 200 frames, their motion undone. Their median shift is 0.
    shift_error_ : float
        Typical error of a shift (pixels): half of the root-mean-square difference between the
        shifts of the left and the right halves of the frames that the template is made of.

    See Also
    --------
    Movie : Frames and their rate.

    Notes
    -----
    Each frame has its local mean subtracted (over about 17 pixels, so that light which does not
    move, such as the vignette of a miniscope, does not hold the shifts at 0), is tapered at its
    margins, and is smoothed by a Gaussian of one pixel. The shift is where its correlation with
    the template is largest, with a parabola through the neighbouring pixels (as in [1]_, without
    the division by the amplitudes). The template begins as the mean of frames and is refined
    three times.

    A frame that correlates with the template less than 0.3 times as much as is usual, as a blank
    one, gets the shift between those of its neighbours, and a warning names it. The movie is read
    in pieces: memory does not depend on its length.

    References
    ----------
    .. [1] Guizar-Sicairos, Thurman and Fienup (2008). Efficient subpixel image registration
       algorithms. Optics Letters 33, 156. https://doi.org/10.1364/OL.33.000156

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import Movie
    >>> from calgan.cells import MotionCorrector
    >>> tissue = np.random.default_rng(0).random((80, 80)).repeat(4, 0).repeat(4, 1)
    >>> movie = Movie([tissue[:64, x : x + 64] for x in (8, 9, 8, 10, 8)], 10.0)
    >>> corrector = MotionCorrector().fit(movie)
    >>> (corrector.shifts_[:, 0].round() + 0).tolist()
    [0.0, -1.0, 0.0, -2.0, 0.0]
    >>> corrector.transform(movie)
    Movie(5 frames of 64 x 64 pixels, float32, 10 Hz, 0.5 s)
    """

    shift_error_: float
    shifts_: np.ndarray
    template_: np.ndarray

    def __init__(self, max_shift: int | None = None, *, verbose: int | None = None) -> None:
        self.max_shift = max_shift
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> MotionCorrector:
        """Measure the shift of each frame.

        Parameters
        ----------
        X : Movie or array-like of shape (T, H, W)
            Movie; it is read once, after the frames of the template.
        y : None
            Ignored.

        Returns
        -------
        MotionCorrector
            The fitted corrector.

        Raises
        ------
        TypeError
            If `max_shift` is no integer.
        ValueError
            If X is no movie, has fewer than 16 pixels on a side, has NaN or infinity, or shows
            nothing, or if `max_shift` is half of a frame or more.

        Warns
        -----
        UserWarning
            If frames do not look like the template or move as far as `max_shift`, or if
            `shift_error_` is above 1 pixel.
        """
        movie = check_movie(X, "X")
        size = movie.shape[1:]
        if min(size) < _SMALLEST:
            raise ValueError(
                f"X has {_said(movie.shape)}, but MotionCorrector needs at least {_SMALLEST} "
                "pixels on each side to see motion."
            )
        largest = _check_max_shift(self.max_shift, size)
        aligner = _Aligner(size, largest)
        step = max(1, _CHUNK_VALUES // (size[0] * size[1]))
        shifts, alike = np.empty((movie.n_frames, 2)), np.empty(movie.n_frames)
        with progress(self.verbose, "MotionCorrector", movie.n_frames, unit="frame") as bar:
            sample = _sample(movie)
            self.template_ = _template(sample, aligner)
            self.shift_error_ = _error(sample, self.template_, largest)
            del sample
            spectrum = aligner.spectra(self.template_[None])[0]
            for first, chunk in movie.chunks(step):
                part = slice(first, first + len(chunk))
                shifts[part], alike[part] = aligner.shifts(aligner.spectra(chunk), spectrum)
                bar.update(len(chunk))
        self.shifts_ = _mended(shifts, alike, largest)
        if self.shift_error_ > _UNCERTAIN:
            warnings.warn(
                f"the shifts are uncertain by about {self.shift_error_:.1f} pixels, as the two "
                "halves of a frame disagree: the movie is too noisy, shows too little that does "
                "not change (as dF/F does), or does not move as a whole.",
                UserWarning,
                stacklevel=2,
            )
        return self

    def transform(self, X: Any) -> Movie:
        """Return a movie whose motion is undone as its frames are read.

        Parameters
        ----------
        X : Movie or array-like of shape (T, H, W)
            The movie of `fit`, or another one of the same frames, such as a second channel.

        Returns
        -------
        Movie
            Frames (T, H, W), float32, between pixels by cubic interpolation. What moves in from
            outside is the nearest pixel of the margin.

        Raises
        ------
        ValueError
            If the movie has other frames than the one of `fit`.
        """
        check_is_fitted(self)
        movie = check_movie(X, "X")
        expected = (len(self.shifts_), *self.template_.shape)
        if movie.shape != expected:
            raise ValueError(
                f"X has {_said(movie.shape)}, but MotionCorrector was fitted on {_said(expected)}: "
                "transform the movie of fit, or fit this one."
            )
        return movie.with_frames(_Moved(movie.frames, self.shifts_))


def _said(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} frames of {shape[1]} x {shape[2]} pixels"


def _check_max_shift(max_shift: int | None, size: tuple[int, ...]) -> int:
    """Return the largest shift in pixels."""
    if max_shift is None:
        return max(1, min(size) // 10)
    largest = check_integer(max_shift, "max_shift")
    if 2 * largest >= min(size):
        raise ValueError(
            "max_shift must be less than half of the shorter side of a frame, which has "
            f"{min(size)} pixels, got {largest}."
        )
    return largest


class _Aligner:
    """Finds where frames correlate most with a template."""

    def __init__(self, size: tuple[int, ...], largest: int) -> None:
        self._largest = largest
        # Room for shifts, so that nothing wraps around.
        self._shape = (
            fft.next_fast_len(size[0] + largest, real=True),
            fft.next_fast_len(size[1] + largest, real=True),
        )
        taper = [_taper(length, max(2, min(size) // 10)) for length in size]
        self._taper = np.outer(*taper).astype(np.float32)
        y, x = fft.fftfreq(self._shape[0])[:, None], fft.rfftfreq(self._shape[1])
        self._filter = np.exp(-2 * np.pi**2 * _SMOOTHING**2 * (y**2 + x**2)).astype(np.float32)
        # rfft leaves out those frequencies of which it has the conjugates.
        self._weight = np.full(len(x), 2, dtype=np.float32)
        self._weight[0] = 1
        if self._shape[1] % 2 == 0:
            self._weight[-1] = 1

    def spectra(self, frames: np.ndarray) -> np.ndarray:
        """Return the filtered spectra of frames (n, H, W)."""
        background = frames
        for _ in range(2):
            background = uniform_filter(background, (0, _BACKGROUND, _BACKGROUND), mode="nearest")
        spectra = fft.rfft2((frames - background) * self._taper, self._shape)
        spectra *= self._filter
        return spectra

    def shifts(self, spectra: np.ndarray, template: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return shifts (x, y), (n, 2), and correlations (n,) of n frames with a template."""
        m = self._largest
        maps = fft.irfft2(spectra * template.conj(), self._shape)
        rows, columns = (np.arange(-m - 1, m + 2) % length for length in self._shape)
        near = maps[:, rows[:, None], columns]  # one pixel more than is looked for
        frame = np.arange(len(near))
        inner = near[:, 1:-1, 1:-1].reshape(len(near), -1)
        best = inner.argmax(axis=1)
        y, x = np.divmod(best, 2 * m + 1)
        peak = inner[frame, best]
        shifts = np.empty((len(near), 2))
        for axis, (i, dy, dx) in enumerate(((x, 0, 1), (y, 1, 0))):
            before = near[frame, y + 1 - dy, x + 1 - dx]
            after = near[frame, y + 1 + dy, x + 1 + dx]
            bend = 2 * peak - before - after
            top = np.divide(after - before, 2 * bend, out=np.zeros_like(peak), where=bend > 0)
            shifts[:, axis] = np.clip(i - m + np.clip(top, -0.5, 0.5), -m, m)
        energy = self._energy(spectra) * self._energy(template[None])
        alike = np.divide(peak, np.sqrt(energy), out=np.zeros_like(peak), where=energy > 0)
        return shifts, alike

    def _energy(self, spectra: np.ndarray) -> np.ndarray:
        """Return the sum of squares of filtered frames."""
        power = spectra.real**2 + spectra.imag**2
        return (power.sum(axis=1) @ self._weight) / (self._shape[0] * self._shape[1])


def _taper(length: int, width: int) -> np.ndarray:
    """Return weights that rise from 0 to 1 over `width` pixels at both ends."""
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / width)
    return np.concatenate([rise, np.ones(length - 2 * width), rise[::-1]])


def _sample(movie: Movie) -> np.ndarray:
    """Return frames from all over the movie."""
    fewest, most = _TEMPLATE_FRAMES
    height, width = movie.shape[1:]
    n_frames = min(most, max(fewest, _TEMPLATE_VALUES // (height * width)), movie.n_frames)
    chosen = np.linspace(0, movie.n_frames - 1, n_frames).round().astype(int)
    frames = np.asarray(movie.frames[chosen], dtype=np.float32)
    if not np.isfinite(frames).all():
        for _ in movie.chunks():  # which says where
            pass
    return frames


def _measured(
    frames: np.ndarray, template: np.ndarray, aligner: _Aligner
) -> tuple[np.ndarray, np.ndarray]:
    """Return shifts and correlations of many frames, a few at a time."""
    spectrum = aligner.spectra(template[None])[0]
    parts = [frames[i : i + 16] for i in range(0, len(frames), 16)]
    found = [aligner.shifts(aligner.spectra(part), spectrum) for part in parts]
    shifts, alike = (np.concatenate(each) for each in zip(*found, strict=True))
    return shifts, alike


def _error(frames: np.ndarray, template: np.ndarray, largest: int) -> float:
    """Return the typical error of shifts (pixels), by those of the left and right halves."""
    half = template.shape[1] // 2
    if 2 * largest >= half:
        largest = max(1, half // 2 - 1)
    aligner = _Aligner((template.shape[0], half), largest)
    left, alike = _measured(frames[:, :, :half], template[:, :half], aligner)
    right, _ = _measured(frames[:, :, -half:], template[:, -half:], aligner)
    like = alike >= _UNLIKE * np.median(alike)
    return float(np.sqrt(np.mean((left - right)[like] ** 2)) / 2)


def _template(frames: np.ndarray, aligner: _Aligner) -> np.ndarray:
    """Return the mean of frames, their motion undone."""
    template = frames.mean(axis=0)
    for _ in range(_REFINEMENTS):
        shifts, alike = _measured(frames, template, aligner)
        like = alike >= _UNLIKE * np.median(alike)
        if not (alike > 0).any():
            raise ValueError(
                "X shows no image whose motion could be seen: its frames are constant, or smooth "
                "over more than a few pixels."
            )
        shifts -= np.median(shifts[like], axis=0)
        template = np.mean(
            [_moved(f, s) for f, s in zip(frames[like], shifts[like], strict=True)], 0
        )
    return template


def _mended(shifts: np.ndarray, alike: np.ndarray, largest: int) -> np.ndarray:
    """Return shifts, those of frames that are unlike the template taken from their neighbours."""
    like = alike >= _UNLIKE * np.median(alike)
    frames = np.arange(len(shifts))
    far = frames[like & (np.abs(shifts) >= largest).any(axis=1)]
    if len(far):
        warnings.warn(
            f"{len(far)} of {len(frames)} frames move by max_shift ({largest} pixels) or more "
            f"({_few(far)}): raise max_shift, or leave them out.",
            UserWarning,
            stacklevel=3,
        )
    if like.all():
        return shifts
    warnings.warn(
        f"{np.count_nonzero(~like)} of {len(frames)} frames do not look like the others "
        f"({_few(frames[~like])}), as blank ones do not: they get the shift of their neighbours.",
        UserWarning,
        stacklevel=3,
    )
    return np.column_stack([np.interp(frames, frames[like], column[like]) for column in shifts.T])


def _few(frames: np.ndarray) -> str:
    more = f" and {len(frames) - _NAMED} more" if len(frames) > _NAMED else ""
    return ", ".join(map(str, frames[:_NAMED])) + more


class _Moved:
    """Frames whose motion is undone as they are read."""

    def __init__(self, frames: Any, shifts: np.ndarray) -> None:
        self._frames, self._shifts = frames, shifts
        self.shape, self.dtype = tuple(frames.shape), np.dtype(np.float32)

    def __getitem__(self, key: slice) -> np.ndarray:
        frames, shifts = self._frames[key], self._shifts[key]
        moved = np.empty(frames.shape, dtype=np.float32)
        for out, frame, shift in zip(moved, frames, shifts, strict=True):
            out[...] = _moved(frame, shift)
        return moved


def _moved(frame: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return a frame (H, W) at (x, y) + shift, by Keys' cubic interpolation."""
    margin = int(np.abs(shift).max()) + 3
    moved = np.pad(frame.astype(np.float32), margin, mode="edge")
    for axis, by in enumerate(shift[::-1]):
        whole = int(np.floor(by))
        u = by - whole
        weights = (
            (-u + 2 * u**2 - u**3) / 2,
            (2 - 5 * u**2 + 3 * u**3) / 2,
            (u + 4 * u**2 - 3 * u**3) / 2,
            (u**3 - u**2) / 2,
        )
        starts = range(margin + whole - 1, margin + whole + 3)
        pieces = [slice(start, start + frame.shape[axis]) for start in starts]
        parts = [moved[piece] if axis == 0 else moved[:, piece] for piece in pieces]
        moved = np.sum([np.float32(w) * p for w, p in zip(weights, parts, strict=True)], axis=0)
    return moved
