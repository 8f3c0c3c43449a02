"""lthcore: a laboratory for the lottery ticket hypothesis.

The modules form a one-way order, from values to programs: `lthcore.module_graph.LEVELS` lists it, and a test holds all
imports to it. Import from the module where a name lives.
"""

import os
import sys

__version__ = "0.1.0"

# TensorFlow reads these once, when it is first imported; later they would only claim what is not so. oneDNN changes the
# last bits of every result; off, the same numbers come from more machines. The log level keeps stderr for errors.
if "tensorflow" not in sys.modules:
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Full vectors make a training step a twentieth faster and change no bit of the weights.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_prefer_vector_width=512")
