"""The road from text to a trained model, every stage called by name; read it from top to bottom.

``text -> Module -> Draft -> Network -> TypedNetwork -> forward graph -> Artifact``, and from the
types on to ``gradients -> Step -> Plan -> Outcome``. What only checks loads neither NumPy nor ONNX:
the stages behind the types are imported where they are used, and so is what a spec without
mistakes does not need, since a check takes little longer than its imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from cnndsl.diagnostics.model import Edit, Report
from cnndsl.elaborate.context import current_limits
from cnndsl.elaborate.modules import Loader, demand_text, find_spec
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.parameters import parameter_values
from cnndsl.elaborate.recording import Recording
from cnndsl.elaborate.resolve import resolve
from cnndsl.elaborate.values import Value
from cnndsl.frozen import frozen, replace
from cnndsl.limits import Limits
from cnndsl.repair.shape_advice import advise, swapped
from cnndsl.typecheck.analysis import Analysis
from cnndsl.typecheck.check_bounds import check_bounds
from cnndsl.typecheck.check_recipe import check_recipe
from cnndsl.typecheck.checked import Checked
from cnndsl.typecheck.expectations import check_expectations, check_outputs
from cnndsl.typecheck.infer import infer
from cnndsl.typecheck.input_checks import input_problems
from cnndsl.typecheck.sharing import share_problems
from cnndsl.typecheck.table import rows
from cnndsl.typecheck.without_holes import without_holes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from cnndsl.autodiff.rules import Target
    from cnndsl.autodiff.salience import Salience
    from cnndsl.data.samples import Dataset
    from cnndsl.graph.artifact import Artifact
    from cnndsl.graph.compile_options import Compilation, CompileOptions, Form
    from cnndsl.graph.manifest import Precision
    from cnndsl.graph.starting_weights import StartingWeights
    from cnndsl.graph.weights import Array
    from cnndsl.runtime.evaluation import Evaluation
    from cnndsl.runtime.events import Listener, Outcome
    from cnndsl.runtime.plan import Plan, TrainingRequest
    from cnndsl.runtime.selftest import Check
    from cnndsl.training.export import TrainingFiles

__all__ = [
    "analyse",
    "answering",
    "check",
    "check_text",
    "compile",
    "compile_training",
    "current_limits",
    "evaluate",
    "load",
    "selftest",
    "train",
    "typed",
]


# --- checking ---------------------------------------------------------------------------------

GoOn = Callable[[], object]


@frozen
class _Request:
    """What to check: a file, or a text that stands for one, and the values of its parameters."""

    path: Path
    parameters: Mapping[str, Value]
    limits: Limits
    edited: Mapping[Path, str] = field(default_factory=dict)
    annotate: bool = False
    recording: Recording | None = None
    go_on: GoOn = bool

    def again(self, edited: Mapping[Path, str]) -> _Request:
        return _Request(self.path, self.parameters, self.limits, edited, go_on=self.go_on)


def check(
    spec: str | Path,
    parameters: Mapping[str, object] | None = None,
    *,
    annotate: bool = False,
    limits: Limits | None = None,
) -> Checked:
    """Check a spec, given as a path or as the name of a shipped one.

    With ``annotate``, also work out the edits that write or refresh its claims.

    Raises:
        UserError: where there is no such file (CNN010), it cannot be read as text (CNN005) or
            has no such parameter (CNN114).
    """
    values, limits = parameter_values(parameters or {}), limits or current_limits()
    return _mended(_Request(find_spec(spec), values, limits, annotate=annotate)).checked


def check_text(
    text: str,
    name: str = "spec.cnn",
    parameters: Mapping[str, object] | None = None,
    *,
    annotate: bool = False,
    limits: Limits | None = None,
    files: Mapping[Path, str] | None = None,
) -> Checked:
    """Check a text; its imports are relative to the folder of ``name``.

    ``files`` are texts that stand for what files contain, by their resolved paths.

    Raises:
        UserError: CNN005 where it cannot be written as UTF-8.
    """
    demand_text(text)
    path = Path(name)
    edited = {**(files or {}), path.resolve(): text}
    values = parameter_values(parameters or {})
    limits = limits or current_limits()
    return _mended(_Request(path, values, limits, edited, annotate=annotate)).checked


def load(spec: str | Path, parameters: Mapping[str, object] | None = None) -> TypedNetwork:
    """Load a spec that must be right.

    Raises:
        CompileError: with its diagnostics, where it is not.
        UserError: as :func:`check` does.
    """
    return typed(check(spec, parameters))


def typed(checked: Checked) -> TypedNetwork:
    """The network that was checked.

    Raises:
        CompileError, UserError: as :meth:`Checked.typed` does.
    """
    return checked.typed()


def analyse(
    path: Path, texts: Mapping[Path, str], *, repairs: bool = False, go_on: GoOn = bool
) -> Analysis:
    """Check a spec that is open in an editor, and hand over all that is known of it.

    ``texts`` stand in for what files contain, by resolved path. What ``repairs`` the spec, and the
    edits of its claims, take longer than all the rest. ``go_on`` is called between the stages; what
    it raises ends the check.

    Raises:
        UserError: as :func:`check` does, where no text stands for the spec.
    """
    request = _Request(path, {}, current_limits(), texts, repairs, Recording(), go_on)
    return _mended(request) if repairs else _analyse(request)


def _mended(request: _Request) -> Analysis:
    """Check; work out the repairs of what is wrong with sizes, and try what is mended unasked."""
    analysis = _analyse(request)
    if not analysis.checked.diagnostics:
        return analysis
    from cnndsl.repair.mend import mended  # a right spec does not need it

    def recheck(edited: Mapping[Path, str]) -> Checked:
        return _analyse(request.again(edited)).checked

    return replace(analysis, checked=mended(analysis.checked, recheck, request.edited))


# Long, because it names one stage after the other.
def _analyse(request: _Request) -> Analysis:
    """One pass from text to types, without repairs."""
    path, limits = request.path.resolve(), request.limits
    report, expected = Report(), Report()
    limits.make_room()
    loader = Loader(path.parent, report, limits, request.edited)
    module = loader.main(request.path)
    request.go_on()
    draft = resolve(module, path, loader, request.parameters, report, limits, request.recording)
    if draft.exhausted:
        return Analysis(Checked(module, report.sorted(), path=request.path), draft, loader.modules)
    request.go_on()
    understood = not report.failed
    network = without_holes(draft, report, limits)
    inference = infer(network, limits)
    request.go_on()
    if inference.failures:
        advise(inference)
    found = inference.diagnostics
    if draft.misnamed:
        from cnndsl.typecheck.misnamed_streams import blamed  # a right spec does not need it

        found = blamed(inference, draft.misnamed_readers, draft.misnamed)
    found = [*found, *share_problems(inference)]
    report.extend(found)
    report.extend(input_problems(network, failed=report.failed))
    result: TypedNetwork | None = None
    if inference.certain and not draft.poisoned and network.nodes:
        result = inference.typed()
        if not report.failed:
            check_outputs(result, report)
            inference.overruns = check_expectations(result, draft, expected)
            report.extend(swapped(result))
            check_bounds(result, report)
            check_recipe(result, report)
    despite = None if report.failed else result
    report.extend(expected)
    edits: tuple[Edit, ...] = ()
    if request.annotate and understood:
        from cnndsl.typecheck.annotate import claim_edits

        edits = claim_edits(network, draft, limits)
    checked = Checked(
        module=module,
        diagnostics=report.sorted(),
        network=None if report.failed else result,
        table=rows(inference),
        annotations=edits,
        path=request.path,
        inference=inference,
        solved=draft.solved,
        unmet=expected.sorted(),
        despite=despite,
    )
    return Analysis(checked, draft, loader.modules)


# --- compiling --------------------------------------------------------------------------------


def compile(
    network: TypedNetwork,
    *,
    weights: Path | None = None,
    raw: bool = False,
    salience: Salience | None = None,
    form: Form = "plain",
    **options: Unpack[CompileOptions],
) -> Artifact:
    """Lower a network to an ONNX model; weights come from a file or from their initialisers.

    With ``raw``, inputs for pictures take bytes, channels last, and the graph prepares them. With
    ``salience``, it is differentiated, and gives a salience map beside its answers. In
    the ``form`` ``folded`` it has no batch normalisation that can be part of another operator, in
    ``float16`` it computes in that too, and holds its weights so.

    Raises:
        UserError: CNN605 for the opset, CNN608 where no input can be raw, CNN610 for weights beyond
            float16, and as ``beginning`` and ``salience_graph`` do.
    """
    from cnndsl.graph.compile_options import Compilation
    from cnndsl.graph.raw_inputs import raw_inputs
    from cnndsl.graph.starting_weights import beginning

    how = Compilation(**options)
    network, given = beginning(network, weights, how.seed, verify=how.verify)
    names = raw_inputs(network) if raw else ()
    return _exported(network, how, salience, names, given, form)


def answering(network: TypedNetwork, salience: Salience | None = None) -> Artifact:
    """The model that answers, yet without the numbers of its weights, for a batch of any size.

    With ``salience`` it takes one sample, and gives a map of what made its answer too.
    """
    from cnndsl.graph.compile_options import Compilation

    return _exported(network, Compilation(), salience)


def _exported(
    network: TypedNetwork,
    how: Compilation,
    salience: Salience | None = None,
    raw: tuple[str, ...] = (),
    given: StartingWeights | None = None,
    form: Form = "plain",
) -> Artifact:
    """The model of the graph that answers, and with ``salience`` says why."""
    from cnndsl.elaborate.canonical import canonical_text
    from cnndsl.graph.export import export, make_manifest
    from cnndsl.graph.lower import lower

    if salience is None:
        forward = lower(network, how.batch, how.opset, raw)
    else:
        from cnndsl.autodiff.salience import salience_graph

        forward = salience_graph(network, salience, how.batch, how.opset)
    if form != "plain":
        from cnndsl.graph.float16 import in_form

        assert given is not None
        given = in_form(form, forward, network, given)
    seed = None if given is None else given.seed
    precision: Precision = "float16" if form == "float16" else "float32"
    text = canonical_text(network.network)
    manifest = make_manifest(network, text, seed, forward, raw, precision)
    return export(forward, manifest, given)


def compile_training(
    network: TypedNetwork,
    *,
    weights: Path | None = None,
    target: Target = "cpu",
    split: bool = False,
    **options: Unpack[CompileOptions],
) -> TrainingFiles:
    """Differentiate a network: the model of its training step, and of what that begins with.

    With ``split``, and in shards, the step is two models: of the gradients, and of the update.

    Raises:
        UserError: as ``build_step`` and ``form_of`` do, and for weights as :func:`compile` does.
    """
    from cnndsl.elaborate.canonical import canonical_text
    from cnndsl.graph.compile_options import Compilation
    from cnndsl.graph.export import make_manifest
    from cnndsl.graph.starting_weights import beginning
    from cnndsl.runtime.host import form_of
    from cnndsl.training.export import export_training
    from cnndsl.training.split import build_steps

    how, form = Compilation(**options), form_of(target)
    network, given = beginning(network, weights, how.seed, heads=True, verify=how.verify)
    steps = build_steps(network, split=split, batch=how.batch, opset=how.opset, **form)
    manifest = make_manifest(network, canonical_text(network.network), given.seed)
    return export_training(network, steps, manifest, given)


# --- training and measuring -------------------------------------------------------------------


def train(request: TrainingRequest, listener: Listener) -> Outcome:
    """Train as is requested, until the last epoch, an early stop, or Ctrl-C.

    Raises:
        UserError: as ``opened_run``, ``choose``, ``build_step`` and ``prepare`` do.
    """
    from cnndsl.runtime.device import choose
    from cnndsl.runtime.plan import prepare
    from cnndsl.runtime.trainer import opened_run
    from cnndsl.runtime.tuned_step import step_on
    from cnndsl.runtime.workers.agreement import agreed

    def plan() -> Plan:
        device = choose(request.device).name
        step = step_on(request, device)
        return prepare(request, device, step, answering(request.network))

    with ExitStack() as stack:
        run = agreed(request.workers, lambda: stack.enter_context(opened_run(request, listener)))
        return run(agreed(request.workers, plan))


def evaluate(
    network: TypedNetwork,
    weights: Mapping[str, Array],
    dataset: Dataset,
    *,
    device: str = "auto",
    threads: int | None = None,
    batch: int = 64,
) -> Evaluation:
    """How good a network is with these weights; its recipe says what the loss is."""
    from dataclasses import replace

    from cnndsl.runtime.evaluator import measure

    model = replace(answering(network), weights=weights)
    return measure(network, model, dataset, device=device, threads=threads, batch=batch)


def selftest(
    network: TypedNetwork,
    *,
    batch: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    told: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> Iterator[Check]:
    """Put a network to the test, check by check, on random samples."""
    from cnndsl.runtime.selftest import selftest

    return selftest(network, answering, batch=batch, device=device, threads=threads, told=told)
