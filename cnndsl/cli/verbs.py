"""The verbs: where the command of each is, found without loading the others."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType

import click

__all__ = ["VERBS", "command"]

VERBS = MappingProxyType(
    {
        "check": ("cnndsl.cli.check:check", "Say what is wrong with a spec, and how to mend it."),
        "expand": ("cnndsl.cli.expand:expand", "Write out what a spec is without shorthand."),
        "fmt": ("cnndsl.cli.fmt:fmt", "Lay specs out in the one canonical way."),
        "summary": ("cnndsl.cli.summary:summary", "Count a network's parameters, MACs and memory."),
        "draw": ("cnndsl.cli.draw:draw", "Draw a network: its layers, or its feature maps."),
        "compile": ("cnndsl.cli.compile:compile", "Make an ONNX model of a spec."),
        "import": ("cnndsl.cli.import_:import_", "Write another tool's network as a spec."),
        "show": ("cnndsl.cli.show:show", "Print the spec that a compiled model carries."),
        "run": ("cnndsl.cli.run:run", "Let a network answer for pictures or arrays."),
        "train": ("cnndsl.cli.train:train", "Train a network on labelled data."),
        "sweep": ("cnndsl.cli.sweep:sweep", "Train a network at many points, and compare them."),
        "eval": ("cnndsl.cli.eval:eval", "Say how good a network is on labelled data."),
        "profile": (
            "cnndsl.cli.profile:profile",
            "Measure time and memory of each line of a spec.",
        ),
        "scale": ("cnndsl.cli.scale:scale", "Say on paper what training on many machines brings."),
        "weights": ("cnndsl.cli.weights:weights", "Bring weights that another tool trained."),
        "selftest": ("cnndsl.cli.selftest:selftest", "Test a network's gradients and graphs."),
        "specs": ("cnndsl.cli.specs:specs", "List the shipped networks."),
        "schema": ("cnndsl.cli.schema:schema", "Print the JSON schema of a verb's JSON."),
        "diff": ("cnndsl.cli.diff:diff", "Say what changed from one network to another."),
        "explain": ("cnndsl.cli.explain:explain", "Explain an error code, or a layer's numbers."),
        "lsp": (
            "cnndsl.cli.lsp:lsp",
            "Serve an editor: problems, shapes and completion as you type.",
        ),
        "doctor": ("cnndsl.cli.doctor:doctor", "Report versions and devices, and what is missing."),
    }
)
"""Where the command of each verb is, and its help: known without loading it."""


def command(verb: str) -> click.Command:
    """The command of a verb."""
    module, _, name = VERBS[verb][0].partition(":")
    found: click.Command = getattr(import_module(module), name)
    return found
