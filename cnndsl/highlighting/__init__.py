"""Colours specs where nothing checks them: a Pygments lexer, a TextMate grammar, snippets.

All words come from the grammar and the registries (:mod:`words`); what other programs read is
generated: ``python -m cnndsl.highlighting``.
"""
