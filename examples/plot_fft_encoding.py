"""
Windows as frequencies: the Fourier encoding
============================================

:class:`~calgan.FFTEncoder` hands a generator the real and imaginary parts of each window's Fourier
transform instead of its frames, as the thesis's "2D FFT" variant does. This example shows both
layouts, why the code has to be scaled, and that nothing is lost.
"""

# %%
# Windows of a recording
# ----------------------
# One window is 64 frames of 143 neurons. The view costs no more memory than the recording.

import numpy as np
from matplotlib.figure import Figure

from calgan import FFTEncoder, MinMaxScaler, Windower, datasets

recording = datasets.load_zebrafish_tectum()
windows = Windower(64, stride=16).fit_transform(recording)
windows

# %%
# Two layouts
# -----------
# A real window of T frames has T complex frequencies, the second half of which mirrors the first.
# ``layout="full"`` keeps them all, as published: twice the values of the window. ``"packed"``
# leaves out the mirror image and is exactly as large as the window. Frequencies 0 and T/2 have no
# imaginary part, so the latter takes the place of the former's.

full = FFTEncoder(layout="full").fit(windows)
packed = FFTEncoder(layout="packed").fit(windows)
codes = {
    "full": np.asarray(full.transform(windows)),
    "packed": np.asarray(packed.transform(windows)),
}
for name, code in codes.items():
    print(
        f"{name:>6}: {code.shape}, {code.size / windows.size:.0f} value(s) for one of the windows"
    )

# %%
neuron = int(np.argmax(recording.traces.std(axis=0)))
frequency = np.arange(64) * recording.frame_rate / 64  # Hz
figure = Figure(figsize=(8, 5), layout="constrained")
above, below = figure.subplots(2, 1)
seconds = np.arange(64) / recording.frame_rate
above.plot(seconds, windows[40][:, neuron], color="black")
above.set(xlabel="time (s)", ylabel="dF/F", title=f"neuron {neuron}, one window")
below.plot(frequency, codes["full"][40, :, neuron, 0], label="real part")
below.plot(frequency, codes["full"][40, :, neuron, 1], label="imaginary part")
below.axvspan(
    recording.frame_rate / 2, frequency[-1], color="0.9", label="mirror image, not in 'packed'"
)
below.set(xlabel="frequency (Hz)", ylabel="dF/F, summed")
below.legend(frameon=False)
figure

# %%
# Scale
# -----
# The transform is not normalised: frequency 0 is the sum over all frames, and its values are an
# order of magnitude larger than those of the fastest frequencies. With one range for everything,
# as in the thesis, the fast frequencies fill a sliver of [0, 1]; a range for each neuron and
# channel helps only as far as neurons differ.

spread = codes["packed"].std(axis=(0, 2))  # over windows and neurons: (T / 2, 2)
ranges = {
    "one range": MinMaxScaler().fit_transform(codes["packed"]),
    "a range per neuron and channel": MinMaxScaler(per_neuron=True).fit_transform(codes["packed"]),
}
print(f"slowest / fastest frequency, standard deviation: {spread[1, 0] / spread[-1, 0]:.1f}")

figure = Figure(figsize=(8, 3.2), layout="constrained")
axes = figure.subplots()
for name, scaled in ranges.items():
    deviation = scaled[..., 0].std(axis=(0, 2))
    axes.plot(frequency[:32], deviation, label=name)
axes.set(
    xlabel="frequency (Hz)", ylabel="standard deviation, scaled", title="real parts", yscale="log"
)
axes.legend(frameon=False)
figure

# %%
# Round trip
# ----------
# Both layouts decode to what they came from, up to the rounding of float32, and so does the scaler.
# This is how samples of an encoded pipeline come back in the units of the recording.

original = np.asarray(windows)
for name, encoder in {"full": full, "packed": packed}.items():
    scaler = MinMaxScaler().fit(codes[name])
    scaled = scaler.transform(codes[name])
    back = encoder.inverse_transform(scaler.inverse_transform(scaled))
    error = np.abs(back - original).max()
    print(f"{name:>6}: largest error {error:.1e} dF/F, traces reach {original.max():.1f} dF/F")
    assert error < 1e-4

# %%
# In a pipeline of :class:`~calgan.CalciumGAN` the encoder is the step ``"encoder"``:
# ``make_calcium_pipeline("2d", window=64).set_params(encoder=FFTEncoder("packed"))``.
