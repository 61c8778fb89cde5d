"""Colours specs where nothing checks them: for Pygments, TextMate's grammars and Tree-sitter's.

All words come from the grammar and the registries (:mod:`words`); what other programs read is
generated: ``python -m cnndsl.highlighting``.
"""
