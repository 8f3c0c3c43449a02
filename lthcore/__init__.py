"""lthcore: a laboratory for the lottery ticket hypothesis.

``import lthcore as lth`` offers the names that `__init__.pyi` lists, each loaded when it is first used. Everything else
is imported from the module where it lives.
"""

import lazy_loader

from lthcore.files import tensorflow_settings

__version__ = "0.1.0"

tensorflow_settings.apply()

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
