"""What others published on Reuters-21578, for tables that set it beside our results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Published:
    """One published number.

    Args:
        cite: key in the bibliography.
        method: what was trained, in the paper's words.
        group: which categories, ``"R(10)"``, ``"R(90)"`` or ``"R(115)"``.
        metric: ``"micro-F1"``, or ``"first-label accuracy"``, which is no F1 and not comparable with one.
        value: as a fraction.
        mark: ``"read"`` if we read it in the authors' paper or program, ``"reported"`` if we only know it as quoted.
    """

    cite: str
    method: str
    group: str
    metric: Literal["micro-F1", "first-label accuracy"]
    value: float
    mark: Literal["read", "reported"]


# ARTL19 uses the ModApté split and threshold 0.5. DS05's rows are means over classifiers, not one system. RMDL's number
# is the accuracy on each document's alphabetically first label, by checkpoints chosen on the test set; so much is read
# in the authors' program. It stands here because the proposal names it, and compares at most with
# `metrics.first_label_accuracy`.
PUBLISHED = (
    Published("ARTL19", "LSTM-reg", "R(90)", "micro-F1", 0.870, "read"),
    Published("ARTL19", "XML-CNN", "R(90)", "micro-F1", 0.862, "reported"),
    Published("ARTL19", "SVM", "R(90)", "micro-F1", 0.861, "reported"),
    Published("ARTL19", "HAN", "R(90)", "micro-F1", 0.852, "reported"),
    Published("ARTL19", "KimCNN", "R(90)", "micro-F1", 0.808, "reported"),
    Published("ARTL19", "LR", "R(90)", "micro-F1", 0.748, "reported"),
    Published("KHB18", "RMDL", "R(90)", "first-label accuracy", 0.9069, "reported"),
    Published("DS05", "mean over classifiers", "R(10)", "micro-F1", 0.852, "reported"),
    Published("DS05", "mean over classifiers", "R(90)", "micro-F1", 0.787, "reported"),
    Published("DS05", "mean over classifiers", "R(115)", "micro-F1", 0.784, "reported"),
)
