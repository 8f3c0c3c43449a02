"""Pictures of the book: how chapters keep their figures, and how a drawing in light colours becomes one in dark.

Figures are kept twice: as a drawing (SVG), sharp at any size and small, and as an image (PNG) for LaTeX and for
whatever shows no drawings.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from lthcore.analysis import figures

#: Nothing in a file tells when it was made: the same figure is the same file.
UNDATED = {"Date": None, "Creator": None}

#: What black and white become on a dark page: the theme's own text and ground.
INK, GROUND = "#ced6dd", "#121212"
#: Chroma up to which a colour is a shade of grey or a tint of the ground, and from which on it is a colour of its own.
TINT, HUE = 0.05, 0.12
#: The lowest lightness of a colour that is to be told from the dark ground.
VISIBLE = 0.68

COLOUR = re.compile(r"(?<=[ :\"])#[0-9a-f]{6}\b")

# From linear RGB to the responses of the cones, and on to lightness and two opponent colours: Oklab, by B. Ottosson.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OPPONENT = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def style() -> None:
    """Set matplotlib's defaults for the book, and let the notebook keep each figure as a drawing and as an image.

    Call it once per notebook; elsewhere `lthcore.analysis.figures.style` is enough.
    """
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    figures.style()
    set_matplotlib_formats("svg", "png", bbox_inches="tight", metadata=UNDATED, dpi=160)


def dark(drawing: str) -> str:
    """A drawing for dark pages: greys change places, colours keep their hue and become light enough to be seen.

    Images within the drawing stay as they are, because their colours are data.

    Args:
        drawing: the text of an SVG file in light colours.

    Example:
        >>> dark('<svg width="9pt"><path style="fill: #ffffff; stroke: #0072b2"/></svg>')
        '<svg fill="#ced6dd" width="9pt"><path style="fill: #121212; stroke: #45a0e3"/></svg>'
    """
    recoloured = COLOUR.sub(lambda found: on_dark(found[0]), drawing)
    # Black is what SVG fills with unless told otherwise, and matplotlib does not say it.
    return re.sub(r"<svg\b", f'<svg fill="{INK}"', recoloured, count=1)


@cache
def on_dark(colour: str) -> str:
    """The colour that plays the part of another on a dark page.

    Example:
        >>> on_dark("#000000"), on_dark("#ffffff")
        ('#ced6dd', '#121212')
    """
    lightness, *opponent = _oklab(colour)
    chroma = float(np.hypot(*opponent))
    darkness = (1 - lightness) ** 0.75  # lines in grey come out a little stronger than by a plain mirror
    if chroma < 1e-3:
        return to_hex(np.array(to_rgb(GROUND)) * (1 - darkness) + np.array(to_rgb(INK)) * darkness)
    ground, ink = _oklab(GROUND)[0], _oklab(INK)[0]
    own = np.clip((chroma - TINT) / (HUE - TINT), 0, 1)
    mirrored = ground + (ink - ground) * darkness
    return _colour((1 - own) * mirrored + own * max(lightness, VISIBLE), opponent)


def _oklab(colour: str) -> np.ndarray:
    """Lightness from 0 to 1, and how red against green and how yellow against blue a colour is."""
    values = np.array(to_rgb(colour))
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return _OPPONENT @ np.cbrt(_CONES @ linear)


def _colour(lightness: float, opponent: list[float]) -> str:
    """The colour of a lightness and a hue, as strong as a screen can show it."""
    for strength in np.linspace(1, 0, 21):
        cones = np.linalg.solve(_OPPONENT, [lightness, *(strength * part for part in opponent)])
        linear = np.linalg.solve(_CONES, cones**3)
        if linear.min() > -1e-3 and linear.max() < 1 + 1e-3:
            break
    linear = np.clip(linear, 0, 1)
    return to_hex(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
