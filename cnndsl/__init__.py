"""cnndsl: a language for convolutional networks, and its compiler to ONNX.

>>> import cnndsl
>>> network = cnndsl.load("lenet5")
>>> network.summary().macs
416520

Everything is loaded when it is first used; checking loads neither NumPy nor ONNX.
"""

from __future__ import annotations

from importlib import import_module

from cnndsl.version import __version__

# Not from typing, which takes longer to load than the rest of what stands before the first line
# that handles Ctrl-C; type checkers know the name.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from cnndsl.analysis.changes import NetworkDiff as NetworkDiff
    from cnndsl.api import Network as Network
    from cnndsl.api import check as check
    from cnndsl.api import load as load
    from cnndsl.api import parse as parse
    from cnndsl.api import train as train
    from cnndsl.autodiff.salience import Salience as Salience
    from cnndsl.comparison import diff as diff
    from cnndsl.diagnostics.compile_error import CompileError as CompileError
    from cnndsl.diagnostics.model import CnndslError as CnndslError
    from cnndsl.diagnostics.model import Diagnostic as Diagnostic
    from cnndsl.diagnostics.model import UserError as UserError
    from cnndsl.inspection import draw_filters as draw_filters
    from cnndsl.inspection import evaluate as evaluate
    from cnndsl.inspection import explain as explain
    from cnndsl.inspection import profile as profile
    from cnndsl.inspection import quantize as quantize
    from cnndsl.inspection import scale as scale
    from cnndsl.network_import import Imported as Imported
    from cnndsl.network_import import import_network as import_network
    from cnndsl.notebook.extension import load_ipython_extension as load_ipython_extension
    from cnndsl.notebook.extension import unload_ipython_extension as unload_ipython_extension
    from cnndsl.runtime.ensemble import Ensemble as Ensemble
    from cnndsl.runtime.evaluation import Evaluation as Evaluation
    from cnndsl.runtime.model import Model as Model
    from cnndsl.runtime.profile import Profile as Profile
    from cnndsl.runtime.training import Training as Training
    from cnndsl.schemas import schema as schema
    from cnndsl.sweeps.result import Sweep as Sweep
    from cnndsl.sweeps.sweep import sweep as sweep
    from cnndsl.texts import expand as expand
    from cnndsl.texts import format as format
    from cnndsl.training.scaling import Scaling as Scaling
    from cnndsl.weight_import import export_weights as export_weights
    from cnndsl.weight_import import import_weights as import_weights

_HOMES = {
    "CnndslError": "cnndsl.diagnostics.model",
    "CompileError": "cnndsl.diagnostics.compile_error",
    "Diagnostic": "cnndsl.diagnostics.model",
    "Ensemble": "cnndsl.runtime.ensemble",
    "Evaluation": "cnndsl.runtime.evaluation",
    "Imported": "cnndsl.network_import",
    "Model": "cnndsl.runtime.model",
    "Network": "cnndsl.api",
    "NetworkDiff": "cnndsl.analysis.changes",
    "Profile": "cnndsl.runtime.profile",
    "Salience": "cnndsl.autodiff.salience",
    "Sweep": "cnndsl.sweeps.result",
    "Scaling": "cnndsl.training.scaling",
    "Training": "cnndsl.runtime.training",
    "UserError": "cnndsl.diagnostics.model",
    "check": "cnndsl.api",
    "diff": "cnndsl.comparison",
    "draw_filters": "cnndsl.inspection",
    "evaluate": "cnndsl.inspection",
    "explain": "cnndsl.inspection",
    "expand": "cnndsl.texts",
    "format": "cnndsl.texts",
    "export_weights": "cnndsl.weight_import",
    "import_weights": "cnndsl.weight_import",
    "import_network": "cnndsl.network_import",
    "load": "cnndsl.api",
    "load_ipython_extension": "cnndsl.notebook.extension",
    "parse": "cnndsl.api",
    "profile": "cnndsl.inspection",
    "quantize": "cnndsl.inspection",
    "scale": "cnndsl.inspection",
    "schema": "cnndsl.schemas",
    "sweep": "cnndsl.sweeps.sweep",
    "train": "cnndsl.api",
    "unload_ipython_extension": "cnndsl.notebook.extension",
}

__all__ = [
    "CnndslError",
    "CompileError",
    "Diagnostic",
    "Ensemble",
    "Evaluation",
    "Imported",
    "Model",
    "Network",
    "NetworkDiff",
    "Profile",
    "Salience",
    "Scaling",
    "Sweep",
    "Training",
    "UserError",
    "__version__",
    "check",
    "diff",
    "draw_filters",
    "evaluate",
    "expand",
    "explain",
    "export_weights",
    "format",
    "import_network",
    "import_weights",
    "load",
    "load_ipython_extension",
    "parse",
    "profile",
    "quantize",
    "scale",
    "schema",
    "sweep",
    "train",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'cnndsl' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
