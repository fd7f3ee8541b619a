"""How well a colour reads on another, as WCAG 2 counts it."""

import numpy as np
from matplotlib.colors import to_rgb


def luminance(color) -> float:
    """Relative luminance of any colour that Matplotlib knows."""
    channels = np.array(to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other) -> float:
    """From 1, the same, to 21, black on white."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
