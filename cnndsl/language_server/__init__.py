"""The language server behind ``cnndsl lsp``: what editors ask about a spec, answered as one types.

:mod:`server` takes what an editor says and asks; :mod:`project` knows the open texts and what a
check found in each; every feature has a file of its own, a function from what is known and a place
to the answer. Needs pygls: ``pip install "cnndsl[lsp]"``.
"""
