# The front door: what `import lthcore as lth` offers. Python reads this list and loads each name when it is first used;
# type checkers read it as well.
from . import datasets as datasets
from . import models as models
from .datasets.base import Dataset as Dataset
from .experiments import presets as presets
from .experiments.executors.schedule import run as run
from .experiments.experiment import Experiment as Experiment
from .experiments.store import Store as Store
from .kernels.stacks.predictor import SparsePredictor as SparsePredictor
from .kernels.stacks.sparse import sparse as sparse
from .lottery import find_tickets as find_tickets
from .models.prune_model import apply as apply
from .models.prune_model import prune_model as prune_model
from .pruning import criteria as criteria
from .pruning.config import PruneConfig as PruneConfig
from .pruning.criteria import Criterion as Criterion
from .pruning.mask import Mask as Mask
from .pruning.prune import prune as prune
from .pruning.seeds import Seeds as Seeds
from .pruning.ticket import Ticket as Ticket
from .pruning.ticket import reinit as reinit
from .pruning.ticket import rewind as rewind
from .pruning.ticket import shuffle as shuffle
from .pruning.weights import Weights as Weights
from .shrinking.export import export as export
from .shrinking.shrink import shrink as shrink
from .training.config import TrainConfig as TrainConfig
from .training.trainer import Trainer as Trainer

__version__: str
