"""What a step may use that runs on this CPU only, in ONNX Runtime's own operators.

Its forms give the numbers of the standard ones, within rounding. They come in by passes over the
finished graph: no rule of a gradient knows of them.
"""

from cnndsl.training.host.kernels import Host as Host

__all__ = ["Host"]
