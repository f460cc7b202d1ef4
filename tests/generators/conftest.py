"""Windows that several tests of generators learn from."""

from __future__ import annotations

import pytest

from calgan import Windower
from calgan.data.windows import WindowView
from calgan.datasets import make_recording


@pytest.fixture(scope="module")
def windows() -> WindowView:
    recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
    return Windower(32).fit_transform(recording)
