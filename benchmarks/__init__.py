"""Speed and memory, side by side with what one would use instead. Run with ``make benchmark``."""
