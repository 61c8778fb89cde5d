"""Keras's networks: configurations of models as JSON, alone or in a `.keras` archive.

:mod:`.document` opens the file; :mod:`.config` reads a layer's configuration; :mod:`.model` goes
through models, sequential, functional and nested, call by call; the modules named ``…_layers`` say
layers in ours; :mod:`.recipe` what the model was compiled with. No code of the file is run.
"""
