"""
Windows as frequencies: the Fourier encoding
============================================

The thesis's "2D FFT" variant learns the real and imaginary parts of each window's Fourier transform
instead of its frames. ``CalciumGAN("2d-fft")`` encodes by itself, by :class:`~calgan.FFTEncoder`.
This page shows the encoder's two layouts, the need for scaling, and the way back.
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
# leaves out the mirror image and is as large as the window: the real part of frequency T/2 takes
# the place of the imaginary part of frequency 0, which is 0.

encoders = {layout: FFTEncoder(layout=layout).fit(windows) for layout in ("full", "packed")}
codes = {layout: np.asarray(each.transform(windows)) for layout, each in encoders.items()}
for layout, code in codes.items():
    print(f"{layout:>6}: {code.shape}, {code.size / windows.size:.0f} x the values of the windows")

# %%
neuron = int(np.argmax(recording.traces.std(axis=0)))
frequency = np.arange(64) * recording.frame_rate / 64  # Hz
seconds = np.arange(64) / recording.frame_rate
figure = Figure(figsize=(8, 5), layout="constrained")
above, below = figure.subplots(2, 1)
above.plot(seconds, windows[40][:, neuron], color="black")
above.set(xlabel="time (s)", ylabel="dF/F", title=f"neuron {neuron}, one window")
below.plot(frequency, codes["full"][40, :, neuron, 0], label="real part")
below.plot(frequency, codes["full"][40, :, neuron, 1], label="imaginary part")
mirrored = (recording.frame_rate / 2, frequency[-1])
below.axvspan(*mirrored, color="0.9", label="mirror image, not in 'packed'")
below.set(xlabel="frequency (Hz)", ylabel="dF/F, summed")
below.legend(frameon=False)
figure

# %%
# Scale
# -----
# Slow frequencies vary much more than fast ones. With one range for everything, as in the thesis,
# fast frequencies fill a sliver of [0, 1]. A range for each neuron helps only as far as neurons
# differ.

spread = codes["packed"].std(axis=(0, 2))  # over windows and neurons: (T / 2, 2)
print(f"slowest / fastest frequency, standard deviation: {spread[1, 0] / spread[-1, 0]:.1f}")
figure = Figure(figsize=(8, 3.2), layout="constrained")
ax = figure.subplots()
for label, per_neuron in (("one range", False), ("a range per neuron and channel", True)):
    scaled = MinMaxScaler(per_neuron=per_neuron).fit_transform(codes["packed"])
    ax.plot(frequency[:32], scaled[..., 0].std(axis=(0, 2)), label=label)
ax.set(xlabel="frequency (Hz)", ylabel="standard deviation, scaled", yscale="log")
ax.set_title("real parts")
ax.legend(frameon=False)
figure

# %%
# Round trip
# ----------
# Encoder and scaler give the original windows back, up to the rounding of float32.

original = np.asarray(windows)
for layout, encoder in encoders.items():
    scaler = MinMaxScaler().fit(codes[layout])
    scaled = scaler.transform(codes[layout])
    back = encoder.inverse_transform(scaler.inverse_transform(scaled))
    error = np.abs(back - original).max()
    print(f"{layout:>6}: largest error {error:.1e} dF/F, traces reach {original.max():.1f} dF/F")
    assert error < 1e-4
