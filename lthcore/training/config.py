"""`TrainConfig`: how one network is trained, frozen and checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

from lthcore.checks import Options, check_known, check_positive_whole, check_whole, is_number, make_plain
from lthcore.training import schedules

LOSSES = ("sparse_categorical_crossentropy", "binary_crossentropy")
STOPS = ("validation_loss", "validation_micro_f1")
AVERAGE = ("use_ema", "ema_momentum", "ema_overwrite_frequency")  # options of Keras optimizers


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How one network is trained.

    Args:
        steps: minibatch updates; training always runs to the end.
        batch_size: examples per step.
        optimizer: any element-wise Keras optimizer, by its Keras name.
        learning_rate: its learning rate, constant unless it decays.
        schedule: how the learning rate changes, the name of a registered schedule: ``"step"`` follows `decay`, which is
            a constant rate unless `decay_every` says otherwise; ``"cosine"`` falls to zero; see
            `lthcore.training.schedules`.
        decay: what the learning rate is multiplied with every `decay_every` steps.
        decay_every: steps between two decays; 0 for none.
        warmup: steps over which the learning rate grows in equal parts from (almost) zero, whatever its schedule.
        schedule_steps: the length of training that a schedule is laid out for; 0 for `steps`. Networks that are trained
            for fewer steps, only to be scored, are at the same point of the schedule as those trained to the end.
        optimizer_options: further arguments of the optimizer, as pairs. With ``use_ema`` and ``ema_momentum`` the
            network is the moving average of its weights over the steps.
        loss: Keras name of the loss.
        eval_every: steps between two evaluations of the validation set; the resolution of the early stop.
        test_every: steps between two evaluations of the test set, a multiple of `eval_every`.
        stop_by: the column of the history that sets the early stop: the smallest validation loss, or, for documents of
            several labels, the largest micro-F1 on the validation set at threshold 0.5.
    """

    steps: int = 50_000
    batch_size: int = 60
    optimizer: str = "adam"
    learning_rate: float = 1.2e-3
    decay: float = 0.1
    decay_every: int = 0
    optimizer_options: Options = ()
    loss: str = "sparse_categorical_crossentropy"
    eval_every: int = 100
    test_every: int = 100
    stop_by: str = "validation_loss"
    schedule: str = "step"
    warmup: int = 0
    schedule_steps: int = 0

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("steps", "batch_size", "eval_every", "test_every"):
            check_positive_whole(name, getattr(self, name))
        if not (is_number(self.learning_rate) and isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(
                f"learning_rate must be a positive number, got {self.learning_rate!r}; a rate that changes is a "
                f"schedule, such as schedule='cosine', or an optimizer of your own with a LearningRateSchedule"
            )
        if not (is_number(self.decay) and 0 < self.decay <= 1):
            raise ValueError(f"decay must lie in (0, 1], got {self.decay!r}; 0.1 leaves a tenth of the learning rate")
        for name in ("decay_every", "warmup", "schedule_steps"):
            check_whole(name, getattr(self, name))
        schedules.named(self.schedule)
        if self.decay_every and self.schedule != "step":
            raise ValueError(f"decay_every is for schedule='step', got schedule={self.schedule!r}: use decay_every=0")
        if self.schedule_steps and self.schedule_steps < self.steps:
            raise ValueError(f"schedule_steps ({self.schedule_steps}) must not be less than steps ({self.steps})")
        if self.test_every % self.eval_every:
            raise ValueError(f"test_every ({self.test_every}) must be a multiple of eval_every ({self.eval_every})")
        check_known("loss", self.loss, LOSSES)
        check_known("stop_by", self.stop_by, STOPS)
        if "learning_rate" in dict(self.optimizer_options):
            raise ValueError("learning_rate is a field of its own and cannot stand in optimizer_options as well")

    def without_average(self) -> TrainConfig:
        """The same training, whose network is its weights themselves and no moving average of them.

        Example:
            >>> averaged = TrainConfig(optimizer_options=(("use_ema", True), ("ema_momentum", 0.9), ("epsilon", 1e-8)))
            >>> averaged.without_average().optimizer_options
            (('epsilon', 1e-08),)
        """
        left = tuple(pair for pair in self.optimizer_options if pair[0] not in AVERAGE)
        return replace(self, optimizer_options=left)
