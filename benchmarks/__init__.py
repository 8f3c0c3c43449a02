"""Speed and memory, side by side with what one would use instead. Run with ``make bench``."""

import lthcore  # noqa: F401  # before TensorFlow, so that it starts with the settings that results are computed with
