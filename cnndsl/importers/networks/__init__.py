"""Networks of other tools, read into one form and written as specs.

Every front end, a file or package each, turns its format into an
:class:`~cnndsl.importers.networks.graph.ImportedNetwork` by means of a
:class:`~cnndsl.importers.networks.builder.NetworkBuilder`. What stands behind that form is common
to all: :mod:`.settings` says each layer in as few words as it takes, :mod:`.structure` finds
chains and joins, :mod:`.blocks` what repeats, :mod:`.text` writes it down.
"""
