"""Fourier encoding of windows: frequencies instead of frames, in two real channels."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy import fft
from sklearn.utils.validation import check_is_fitted

from calgan.data.transformer import Read, Transformer
from calgan.data.validation import check_choice, check_windows, is_lazy


class FFTEncoder(Transformer):
    """Encode windows by the real and imaginary parts of their Fourier transform along time.

    With ``X_k = sum_t x_t exp(-2 pi i k t / T)`` (numpy's convention, no normalisation), the
    channels are ``Re X_k`` and ``Im X_k``. Both layouts decode to the windows they came from, up
    to float32 rounding. Views of windows are encoded lazily.

    Parameters
    ----------
    layout : {"full", "packed"}, default="full"
        - "full": all T frequencies, as in the thesis [1]_. The second half mirrors the first, as
          the traces are real; decoding takes the real part of the inverse transform.
        - "packed": frequencies 0 to T/2 - 1, half the size, for even T. ``X_0`` and ``X_{T/2}``
          are both real, so the latter is kept in the imaginary channel of the former.

    Attributes
    ----------
    n_frames_in_ : int
        Frames a window T.
    n_features_in_ : int
        Number of neurons N.

    References
    ----------
    .. [1] B. M. Li, "Synthesising Realistic Calcium Imaging Data of Neuronal Populations using
       Deep Generative Models", MScR thesis, University of Edinburgh, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import FFTEncoder
    >>> windows = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    >>> FFTEncoder(layout="full").fit_transform(windows)[0, :, 0, 0]  # real parts
    array([10., -2., -2., -2.], dtype=float32)
    >>> packed = FFTEncoder(layout="packed").fit(windows)
    >>> packed.transform(windows)[0, :, 0]
    array([[10., -2.],
           [-2.,  2.]], dtype=float32)
    >>> packed.inverse_transform(packed.transform(windows)).ravel()
    array([1., 2., 3., 4.], dtype=float32)
    """

    def __init__(self, layout: str = "full") -> None:
        self.layout = layout

    def fit(self, X: Any, y: Any = None) -> FFTEncoder:
        """Learn the shape of the windows.

        Parameters
        ----------
        X : array-like of shape (M, T, N) or WindowView
            Windows.
        y : None
            Ignored.

        Returns
        -------
        FFTEncoder
            The fitted transformer.

        Raises
        ------
        TypeError
            If X does not hold real numbers.
        ValueError
            If X does not hold windows, if the layout is unknown, or if it is "packed" and T is
            odd.
        """
        check_choice(self.layout, "layout", ("full", "packed"))
        read = self._read(X)
        n_frames = read.data.shape[1]
        if self.layout == "packed" and n_frames % 2:
            even = "2" if n_frames == 1 else f"{n_frames - 1} or {n_frames + 1}"
            raise ValueError(
                f"layout='packed' needs windows of an even number of frames, but X has {n_frames}; "
                f"use windows of {even} frames, or layout='full' (of CalciumGAN variant='2d-fft')."
            )
        self.n_frames_in_ = int(n_frames)
        self._learn(X, read)
        return self

    def transform(self, X: Any) -> Any:
        """Encode windows.

        Parameters
        ----------
        X : array-like of shape (M, T, N) or WindowView
            Windows.

        Returns
        -------
        ndarray of shape (M, T, N, 2) or (M, T // 2, N, 2), float32, or WindowView
            Real and imaginary parts, full or packed; lazy for a view.

        Raises
        ------
        ValueError
            If X does not fit what `fit` saw.
        """
        windows = self._check(X).data
        if windows.shape[1] != self.n_frames_in_:
            raise ValueError(
                f"X has windows of {windows.shape[1]} frames, but FFTEncoder was fitted on windows "
                f"of {self.n_frames_in_}."
            )
        encode = _encode_full if self.layout == "full" else _encode_packed
        return windows.map(encode, self._code) if is_lazy(windows) else encode(windows)

    def inverse_transform(self, X: Any) -> Any:
        """Decode encoded windows, such as a generator's samples.

        Parameters
        ----------
        X : array-like of shape (M, T, N, 2) or (M, T // 2, N, 2), or WindowView
            Real and imaginary parts, full or packed.

        Returns
        -------
        ndarray of shape (M, T, N), float32, or WindowView
            Windows; lazy for a view.

        Raises
        ------
        ValueError
            If X does not have the shape that `transform` gives.
        """
        check_is_fitted(self)
        X = check_windows(X, estimator="FFTEncoder")
        if tuple(X.shape[1:]) != self._code:
            raise ValueError(
                f"FFTEncoder(layout={self.layout!r}) decodes windows of shape (M, "
                f"{', '.join(map(str, self._code))}), but X has shape {tuple(X.shape)}."
            )
        decode: Any = _decode_full
        if self.layout == "packed":
            decode = partial(_decode_packed, n_frames=self.n_frames_in_)
        shape = (self.n_frames_in_, self.n_features_in_)
        return X.map(decode, shape, units=self.units_) if is_lazy(X) else decode(X)

    @property
    def _code(self) -> tuple[int, int, int]:
        """Shape of one encoded window."""
        n_bins = self.n_frames_in_ if self.layout == "full" else self.n_frames_in_ // 2
        return n_bins, self.n_features_in_, 2

    def _read(self, X: Any, **_: Any) -> Read:
        X = check_windows(X, estimator="FFTEncoder", encoded=False)
        known = [getattr(X, name, None) for name in ("frame_rate", "roi_ids", "units")]
        return Read(X, X.shape[2], *known)


# scipy.fft keeps float32 throughout, so that encoding a batch does not double its memory.
def _encode_full(X: np.ndarray) -> np.ndarray:
    return _channels(fft.fft(X, axis=1))


def _encode_packed(X: np.ndarray) -> np.ndarray:
    spectrum = fft.rfft(X, axis=1)
    out = _channels(spectrum[:, :-1])
    out[:, 0, :, 1] = spectrum[:, -1].real
    return out


def _decode_full(X: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(fft.ifft(_complex(X), axis=1).real)


def _decode_packed(X: np.ndarray, *, n_frames: int) -> np.ndarray:
    m, n_bins, n_neurons, _ = X.shape
    spectrum = np.empty((m, n_bins + 1, n_neurons), dtype=np.complex64)
    spectrum[:, :-1] = _complex(X)
    spectrum[:, 0] = X[:, 0, :, 0]
    spectrum[:, -1] = X[:, 0, :, 1]
    return fft.irfft(spectrum, n=n_frames, axis=1)


def _channels(spectrum: np.ndarray) -> np.ndarray:
    return np.stack([spectrum.real, spectrum.imag], axis=-1)


def _complex(X: np.ndarray) -> np.ndarray:
    out = np.empty(X.shape[:-1], dtype=np.complex64)
    out.real, out.imag = X[..., 0], X[..., 1]
    return out
